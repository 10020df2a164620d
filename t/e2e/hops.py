#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hops that are broken, each in its own way, and what the client is told (hops.sh).

    hops.py serve ADDRESS        listens on ports 2002 and up, one for each way
    hops.py ask HOST CODE LOW HIGH [COMMAND]
                                 asks for HOST:80; CODE is the reply wanted, within LOW to HIGH seconds
"""
import contextlib
import socketserver
import sys
import threading
import time


def hang(peer):
    peer.recv(1000)
    time.sleep(20)


def garbage(peer):
    with contextlib.suppress(ConnectionError):
        for octet in b"no SOCKS server at all\r\n":
            peer.sendall(bytes([octet]))
            time.sleep(0.01)


def says(*octets):
    """Says so much and closes."""
    def say(peer):
        peer.recv(1000)
        peer.sendall(bytes(octets))
    return say


WAYS = {2002: hang, 2003: garbage, 2004: says(), 2005: says(5), 2006: says(5, 0), 2007: says(5, 0, 5, 0, 0, 1, 192),
        2008: says(5, 255), 2009: says(5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0)}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(address):
    for port, way in WAYS.items():
        handler = type("Handler", (socketserver.BaseRequestHandler,), {"handle": lambda self, way=way: way(self.request)})
        threading.Thread(target=Server((address, port), handler).serve_forever).start()


def ask(host, code, low, high, command="CONNECT"):
    import socks
    begun = time.monotonic()
    one = socks.Socks5("client4", getattr(socks, command), host, 80, timeout=15)
    seconds = time.monotonic() - begun
    assert one.reply == int(code), f"reply {one.reply}"
    assert float(low) <= seconds <= float(high), f"after {seconds:.2f} s"


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
