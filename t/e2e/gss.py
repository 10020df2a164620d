#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A SOCKS5 client with the GSSAPI method (RFC 1961), for gssapi.sh.

    gss.py GATEWAY:PORT [option=value ...] MODE

Options: level=N (the protection asked for) nec=yes (the level goes unwrapped) to=ADDRESS service=PRINCIPAL (the one the
ticket is for).  The ticket is in the credentials cache.  Modes:

  fetch     connects to the web server; prints the level that was agreed on, and what it answers
  bulk      echoes 20 MB, both ways at once, and checks them
  garble    changes one octet of an encapsulated message; prints what became of the connection
  again     sends one encapsulated message twice; prints the same
  replay    sends the tokens of one establishment on a second connection; prints the same
  bare      makes a request as if it had been let in; prints the same
  none      offers no method but `none`; prints whether the Gateway takes it
  huge      announces a token of 65,535 octets, and sends nonsense; prints the same
  udp       sends a datagram to the echo through an association, the same one again, and one that is not
            protected; prints what comes back
  octets    does the whole conversation one octet at a time, and prints the code of the reply
"""
import os
import socket
import struct
import sys
import threading

import gssapi

TOKEN, PROTECTION, DATA, ABORT = 1, 2, 3, 0xFF


class Client:
    def __init__(self, arguments):
        self.mode, given = arguments[-1], dict(a.split("=", 1) for a in arguments[1:-1])
        host, port = arguments[0].rsplit(":", 1)
        self.gateway = host.strip("[]"), int(port)
        self.level, self.nec = int(given.get("level", 2)), given.get("nec") == "yes"
        self.server, self.piece = given.get("to", "198.51.100.2"), 1 << 20
        self.service = given.get("service", "rcmd/gw.example")
        self.arrived, self.first = b"", None

    # ---- frames

    def dial(self):
        self.sock = socket.create_connection(self.gateway, 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(b"\5\1\1")
        if self.exactly(2) != b"\5\1":
            sys.exit("no GSSAPI here")

    def send(self, data):
        for at in range(0, len(data), self.piece):
            self.sock.sendall(data[at:at + self.piece])

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError("closed")
            data += piece
        return data

    def put(self, kind, token):
        self.send(struct.pack(">BBH", 1, kind, len(token)) + token)

    def get(self, wanted):
        version, kind = self.exactly(2)
        if kind == ABORT:
            sys.exit("aborted")
        assert (version, kind) == (1, wanted), (version, kind)
        return self.exactly(struct.unpack(">H", self.exactly(2))[0])

    # ---- the method

    def establish(self):
        name = gssapi.Name(self.service, gssapi.NameType.kerberos_principal)
        flags = [gssapi.RequirementFlag.mutual_authentication, gssapi.RequirementFlag.replay_detection,
                 gssapi.RequirementFlag.out_of_sequence_detection, gssapi.RequirementFlag.confidentiality,
                 gssapi.RequirementFlag.integrity]
        self.context = gssapi.SecurityContext(name=name, usage="initiate", flags=flags)
        answer = None
        while not self.context.complete:
            token = self.context.step(answer)
            self.first = self.first or token
            if token:
                self.put(TOKEN, token)
            if not self.context.complete:
                answer = self.get(TOKEN)
        octet = bytes([self.level])
        self.put(PROTECTION, octet if self.nec else self.context.wrap(octet, False).message)
        answer = self.get(PROTECTION)
        self.level = (answer if self.nec else self.context.unwrap(answer).message)[0]

    def wrap(self, data):
        return self.context.wrap(data, self.level != 1).message if self.level else data

    def say(self, data):
        if self.level:
            self.put(DATA, self.wrap(data))
        else:
            self.send(data)

    def hear(self):
        if not self.level:
            return self.sock.recv(65536)
        try:
            unwrapped = self.context.unwrap(self.get(DATA))
        except EOFError:
            return b""
        assert unwrapped.encrypted == (self.level != 1)
        return unwrapped.message

    def connect(self, port):
        self.dial()
        self.establish()
        self.say(b"\5\1\0\1" + socket.inet_aton(self.server) + struct.pack(">H", port))
        code = self.hear()[1]
        if code:
            sys.exit(f"reply {code}")
        return code

    # ---- modes

    def fetch(self):
        self.connect(80)
        self.say(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := self.hear():
            answer += piece
        print(self.level, answer.split(b"\r\n\r\n", 1)[1].decode().strip())

    def bulk(self):
        self.connect(7)
        data, heard = os.urandom(20_000_000), bytearray()

        def listen():
            while len(heard) < len(data):
                heard.extend(self.hear())

        listener = threading.Thread(target=listen)
        listener.start()
        for at in range(0, len(data), 60000):
            self.say(data[at:at + 60000])
        listener.join()
        print("whole" if heard == data else "broken")

    def outcome(self):
        try:
            while self.hear():
                pass
            print("closed")
        except (ConnectionError, EOFError):
            print("closed")

    def garble(self):
        self.connect(7)
        token = bytearray(self.wrap(b"some words"))
        token[-3] ^= 1
        self.put(DATA, bytes(token))
        self.outcome()

    def again(self):
        self.connect(7)
        token = self.wrap(b"some words")
        self.put(DATA, token)
        print(self.hear().decode())
        self.put(DATA, token)
        self.outcome()

    def replay(self):
        self.connect(7)
        self.dial()
        self.put(TOKEN, self.first)
        self.get(TOKEN)
        print("accepted")

    def bare(self):
        self.dial()
        self.send(b"\5\1\0\1" + socket.inet_aton(self.server) + struct.pack(">H", 80) + b"GET / HTTP/1.0\r\n\r\n")
        self.get(TOKEN)

    def none(self):
        with socket.create_connection(self.gateway, 20) as self.sock:
            self.send(b"\5\1\0")
            print("no method" if self.exactly(2) == b"\5\xff" else "taken")

    def huge(self):
        self.dial()
        self.put(TOKEN, bytes(65535))
        self.get(TOKEN)

    def udp(self):
        self.dial()
        self.establish()
        self.say(b"\5\3\0\1" + bytes(6))
        reply = self.hear()
        place = socket.inet_ntoa(reply[4:8]), struct.unpack(">H", reply[8:10])[0]
        header = b"\0\0\0\1" + socket.inet_aton(self.server) + struct.pack(">H", 7)
        token = self.wrap(header + b"a datagram")
        framed = struct.pack(">BBH", 1, DATA, len(token)) + token
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            for datagram in framed, framed, header + b"in the clear":
                sock.sendto(datagram, place)
            try:
                while answer := sock.recv(65536):
                    print(self.context.unwrap(answer[4:]).message[10:].decode())
            except TimeoutError:
                pass

    def octets(self):
        self.piece = 1
        print(self.connect(80))


client = Client(sys.argv[1:])
try:
    getattr(client, client.mode)()
except (ConnectionError, EOFError):
    sys.exit("closed")
