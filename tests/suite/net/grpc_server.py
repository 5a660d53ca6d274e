"""gRPC's own server with its standard health service, plain and encrypted, and one without that service.

Arguments: certificate and key (PEM files). It prints the ports (plain, encrypted, without health) and ends with its standard input.
"""
import os, sys
from concurrent import futures
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

STATES = health_pb2.HealthCheckResponse


class Health(health.HealthServicer):
    def Check(self, request, context):
        failing = {"unavailable": grpc.StatusCode.UNAVAILABLE, "denied": grpc.StatusCode.PERMISSION_DENIED}
        if request.service in failing:
            context.abort(failing[request.service], "as asked")
        if request.service == "keyed" and dict(context.invocation_metadata()).get("authorization") != "Bearer k":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        if request.service == "slow":
            import time
            time.sleep(3600)
        return super().Check(request, context)


servicer = Health()
servicer.set("", STATES.SERVING)
servicer.set("keyed", STATES.SERVING)
servicer.set("shop.Cart", STATES.SERVING)
servicer.set("shop.Checkout", STATES.NOT_SERVING)
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
with open(sys.argv[1], "rb") as cert, open(sys.argv[2], "rb") as key:
    credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
ports = [server.add_insecure_port("127.0.0.1:0"), server.add_secure_port("127.0.0.1:0", credentials)]
server.start()
bare = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
ports.append(bare.add_insecure_port("127.0.0.1:0"))
bare.start()
print(*ports, flush=True)
sys.stdin.buffer.read()
os._exit(0)
