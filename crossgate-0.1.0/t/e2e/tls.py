#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A SOCKS5 client inside TLS, for tls.sh.

    tls.py GATEWAY:PORT [option=value ...] MODE

Options: ca=FILE name=NAME cert=FILE (certificate and key) version=1.2|1.3 to=ADDRESS (the server).  Modes:

  fetch     connects to the web server and prints the first line it answers
  udp       asks for UDP ASSOCIATE and prints the reply's code
  resume    begins one session, and resumes it while the first is held, five times; prints how many were
  crowd     holds 1,000 relays to the echo server, sends through all of them, checks every answer
  half      ends its direction inside TLS, and prints what the sink answers after that
  octets    offers the handshake and the request one octet at a time
"""
import resource
import socket
import ssl
import struct
import sys


class Manual:
    """TLS by hand over a socket: it can send single octets, and end one direction."""

    def __init__(self, sock, context, name, piece=1 << 20):
        self.sock, self.piece = sock, piece
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def pump(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.sock.recv(65536))

    def flush(self):
        while data := self.outgoing.read(self.piece):
            self.sock.sendall(data)

    def end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            self.flush()

    def sendall(self, data):
        self.pump(self.tls.write, data)

    def recv(self, size):
        return self.pump(self.tls.read, size)


class Client:
    def __init__(self, arguments):
        self.mode, given = arguments[-1], dict(a.split("=", 1) for a in arguments[1:-1])
        host, port = arguments[0].rsplit(":", 1)
        self.gateway = host.strip("[]"), int(port)
        self.name, self.server = given.get("name", "gw.example"), given.get("to", "198.51.100.2")
        self.context = ssl.create_default_context(cafile=given["ca"])
        if "cert" in given:
            self.context.load_cert_chain(given["cert"])
        if given.get("version") == "1.2":
            self.context.maximum_version = ssl.TLSVersion.TLSv1_2

    def dial(self):
        sock = socket.create_connection(self.gateway, 20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def secure(self, session=None):
        return self.context.wrap_socket(self.dial(), server_hostname=self.name, session=session)

    def request(self, stream, command, port):
        stream.sendall(b"\5\1\0")
        if stream.recv(2) != b"\5\0":
            sys.exit("no method")
        stream.sendall(b"\5" + bytes([command]) + b"\0\1" + socket.inet_aton(self.server) + struct.pack(">H", port))
        return stream.recv(10)[1]

    def connect(self, port, session=None):
        stream = self.secure(session)
        code = self.request(stream, 1, port)
        if code:
            sys.exit(f"reply {code}")
        return stream

    def fetch(self):
        stream = self.connect(80)
        stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := stream.recv(65536):
            answer += piece
        print(answer.split(b"\r\n\r\n", 1)[1].decode().strip())

    def udp(self):
        print(self.request(self.secure(), 3, 0))

    def resume(self):
        first = self.connect(7)
        first.sendall(b"x")
        first.recv(1)  # the tickets of TLS 1.3 come with the first octets
        others = [self.connect(7, first.session) for _ in range(5)]
        print(sum(other.session_reused for other in others))

    def crowd(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        session, streams = None, []
        for _ in range(1000):
            streams.append(self.connect(7, session))
            session = session or streams[0].session
        for number, stream in enumerate(streams):
            stream.sendall(b"%06d" % number)
        answers = [stream.recv(6) for stream in streams]
        print(sum(answer == b"%06d" % number for number, answer in enumerate(answers)))

    def half(self):
        stream = self.manual()
        self.request(stream, 1, 9)
        stream.sendall(b"last words")
        stream.end()
        print(stream.recv(100).decode().strip())

    def octets(self):
        print(self.request(self.manual(1), 1, 80))

    def manual(self, piece=1 << 20):
        stream = Manual(self.dial(), self.context, self.name, piece)
        stream.pump(stream.tls.do_handshake)
        return stream


client = Client(sys.argv[1:])
getattr(client, client.mode)()
