"""A mail server on loopback: aiosmtpd takes messages in and hands them to pymap, which keeps them for IMAP.

Arguments: certificate and key (PEM files), user, password. It prints its ports as JSON and ends with its standard input.
"""
import asyncio, imaplib, json, os, socket, ssl, sys, threading, time

cert, key, user, password = sys.argv[1:5]


def end_with_the_test():
    # Not through sys.stdin, whose lock a fork would copy as it is held.
    while os.read(0, 4096):
        pass
    os._exit(0)


def until_the_test_ends():
    threading.Thread(target=end_with_the_test, daemon=True).start()


until_the_test_ends()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve_imap(port, *more):
    from pymap import main as pymap_main
    sys.argv = ["pymap", "--host", "127.0.0.1", "--port", str(port), *more,
                "dict", "--demo-data", "--demo-user", user, "--demo-password", password]
    pymap_main.main()


def append(bytes_, arrived=None):
    date = imaplib.Time2Internaldate(arrived or time.time())
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name in ("imap", "imap_plain"):
        with imaplib.IMAP4("127.0.0.1", ports[name]) as box:
            if name == "imap":
                box.starttls(context)
            box.login(user, password)
            box.append("INBOX", None, date, bytes_)


class ToTheMailbox:
    async def handle_DATA(self, server, session, envelope):
        # Envelopes to nobody@ are taken and lost, as a mail system does that has stopped delivering.
        if not any(to.startswith("nobody@") for to in envelope.rcpt_tos):
            await asyncio.to_thread(append, envelope.original_content)
        return "250 OK queued as 42"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 no such user here"
        if address.startswith("later@"):
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def serve_smtp():
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    def authenticate(server, session, envelope, mechanism, login):
        right = (login.login, login.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False, message=None if right else "535 5.7.8 that is not you")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    shared = dict(hostname="127.0.0.1", authenticator=authenticate, ident="a test's SMTP")
    kinds = {
        "smtp": dict(tls_context=context, auth_require_tls=True),
        "smtp_plain": dict(auth_require_tls=False),
        "smtps": dict(ssl_context=context, auth_require_tls=False),
    }
    for name, kind in kinds.items():
        controller = Controller(ToTheMailbox(), port=ports[name], **shared, **kind)
        controller.start()


async def serve_implicit():
    """IMAP encrypted from its first byte: the same pymap behind a relay."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def relay(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", ports["imap_plain"])
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", ports["imaps"], ssl=context)
    await server.serve_forever()


ports = {name: free_port() for name in ("imap", "imap_plain", "imaps", "smtp", "smtp_plain", "smtps")}
# pymap serves one port a process, and a mailbox lives in its process: each has a copy of every message.
if os.fork() == 0:
    until_the_test_ends()
    serve_imap(ports["imap_plain"], "--no-tls")
    os._exit(0)
serve_smtp()
threading.Thread(target=lambda: asyncio.run(serve_implicit()), daemon=True).start()


def tell():
    for name, port in ports.items():
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
    print(json.dumps(ports), flush=True)


threading.Thread(target=tell, daemon=True).start()
serve_imap(ports["imap"], "--cert", cert, "--key", key)
