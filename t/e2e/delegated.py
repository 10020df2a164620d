#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A hop that says what it is told, and a client of the Gateway before it (delegated.sh).

    delegated.py serve ADDRESS PORT               grants everything, at ADDRESS:99; says a line for each request
    delegated.py ask COMMAND HOST REPLY [VERSION] asks for HOST:0 by SOCKS5, or by version 4; REPLY is the code wanted
"""
import socketserver
import sys

import socks

ANSWERS = {"zeros.example": "0.0.0.0", "named.example": "elsewhere.example"}


class Hop(socketserver.BaseRequestHandler):
    def handle(self):
        _, methods = socks.take(self.request, 2)
        socks.take(self.request, methods)
        self.request.sendall(b"\5\0")
        _, command, _, kind = socks.take(self.request, 4)
        size = socks.take(self.request, 1) if kind == 3 else b""
        rest = socks.take(self.request, 2 + (size[0] if size else {1: 4, 4: 16}[kind]))
        (host, _), _ = socks.decode(bytes([kind]) + size + rest)
        print(f"command {command}, {host}", flush=True)
        self.request.sendall(b"\5\0\0" + socks.encode(ANSWERS.get(host, self.server.server_address[0]), 99))
        self.request.recv(1)  # the end


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(address, port):
    Server((address, int(port)), Hop).serve_forever()


def ask(command, host, reply, version="5"):
    one = (socks.Socks4 if version == "4" else socks.Socks5)("client4", getattr(socks, command), host, 0)
    assert one.reply == int(reply, 0), f"reply {one.reply}"


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
