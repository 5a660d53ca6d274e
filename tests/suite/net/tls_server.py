"""Python's own TLS (OpenSSL's) on loopback. It counts the bytes that a client sends after the handshake, and greets.

Arguments: certificate chain and key (PEM files), highest version of TLS. It prints its port, then a line for each connection: whether
the handshake was finished, and how many bytes came after it. It ends with its standard input.
"""
import os, socket, ssl, sys, threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.maximum_version = ssl.TLSVersion[sys.argv[3]]
listener = socket.create_server(("127.0.0.1", 0))


def talk(plain):
    done, came = "no", 0
    try:
        stream = context.wrap_socket(plain, server_side=True)
        done = "yes"
        stream.sendall(b"hello over TLS\r\n")
        while data := stream.recv(4096):
            came += len(data)
    except OSError:
        pass
    print(done, came, flush=True)


def accept():
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=talk, args=(plain,), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
print(listener.getsockname()[1], flush=True)
sys.stdin.buffer.read()
os._exit(0)
