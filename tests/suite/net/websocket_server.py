"""A WebSocket server (websockets, from PyPI) on loopback, plain and encrypted: it echoes, and misbehaves by path.

Arguments: certificate and key (PEM files). It prints both ports and ends with its standard input.
"""
import asyncio, http, ssl, sys
from websockets.asyncio.server import serve


async def talk(socket):
    path = socket.request.path
    if path == "/greet":
        await socket.send("welcome")
    if path == "/header":
        await socket.send(socket.request.headers.get("X-Probe", "none"))
    if path == "/ping":
        # A pong must come before the message is sent.
        await (await socket.ping())
        await socket.send("pong came")
    if path == "/bye":
        await socket.close(1011, "going down")
    if path == "/big":
        await socket.send("x" * (1024 * 1024 + 1))
    if path == "/binary":
        await socket.send(b"\xff\xfe")
    if path == "/abort":
        socket.transport.abort()
    if path == "/silent":
        await asyncio.sleep(3600)
    async for message in socket:
        await socket.send(f"echo {message}")


def gate(connection, request):
    if request.path == "/forbidden":
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no\n")
    if request.path == "/broken":
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "down\n")


def choose(connection, offered):
    return "chat.v2" if "chat.v2" in offered else None


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    shared = dict(process_request=gate, select_subprotocol=choose)
    async with serve(talk, "127.0.0.1", 0, **shared) as plain, serve(talk, "127.0.0.1", 0, ssl=context, **shared) as secure:
        print(*(server.sockets[0].getsockname()[1] for server in (plain, secure)), flush=True)
        await asyncio.to_thread(sys.stdin.buffer.read)
        import os
        os._exit(0)


asyncio.run(main())
