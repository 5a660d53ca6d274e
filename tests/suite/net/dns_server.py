"""dnslib's name server on loopback, over UDP and TCP at one port. It prints the port and ends with its standard input."""
import socket, sys
from dnslib import QTYPE, RCODE
from dnslib.server import DNSHandler, DNSServer
from dnslib.zoneresolver import ZoneResolver

ZONE = """
$ORIGIN example.test.
$TTL 300
@     IN SOA  ns1 hostmaster 7 3600 600 86400 60
@     IN NS   ns1
@     IN MX   10 mail
@     IN TXT  "v=spf1 -all" " more"
@     IN CAA  0 issue "ca.example"
ns1   IN A    127.0.0.1
www   60 IN CNAME site
shop  60 IN A    127.0.0.1
site  60 IN A    127.0.0.1
site  60 IN AAAA ::1
_sip._tcp IN SRV 1 2 5060 site.example.test.
""" + "\n".join(f"many IN TXT \"{n:03} {'x' * 40}\"" for n in range(60))


class Resolver(ZoneResolver):
    def resolve(self, request, handler):
        name = str(request.q.qname)
        if name.startswith("broken."):
            reply = request.reply()
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        if not name.endswith("example.test."):
            reply = request.reply()
            reply.header.rcode = RCODE.REFUSED
            return reply
        return super().resolve(request, handler)


class Handler(DNSHandler):
    udplen = 1232


resolver = Resolver(ZONE)
for _ in range(20):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    try:
        for tcp in (False, True):
            DNSServer(resolver, address="127.0.0.1", port=port, tcp=tcp, handler=Handler).start_thread()
        break
    except OSError:
        continue
print(port, flush=True)
sys.stdin.buffer.read()
