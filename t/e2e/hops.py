#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hops that are broken, each in its own way, and what the client is told (hops.sh).

    hops.py serve ADDRESS        listens on ports 2002 and up, one for each way
    hops.py ask HOST CODE LOW HIGH [COMMAND]
                                 asks for HOST:80; CODE is the reply wanted, within LOW to HIGH seconds
"""
import contextlib
import socket
import socketserver
import struct
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


def stalls(*octets):
    """Says so much and no more, but does not close."""
    def say(peer):
        peer.recv(1000)
        peer.sendall(bytes(octets))
        time.sleep(20)
    return say


def breaks(*octets):
    """Says so much and resets."""
    def say(peer):
        peer.recv(1000)
        peer.sendall(bytes(octets))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    return say


REPLY = (5, 0, 5, 0, 0)
SOMEWHERE = (1, 0, 0, 0, 0, 0, 0)  # an address
WAYS = {
    2002: hang, 2003: garbage, 2004: says(), 2005: says(5), 2006: says(5, 0), 2007: says(*REPLY, 1, 192), 2008: says(5, 255),
    2009: says(5, 0, 5, 5, 0, *SOMEWHERE), 2011: says(5, 2), 2012: says(5, 0, 4, 0, 0, *SOMEWHERE),
    2013: says(*REPLY, 9, *SOMEWHERE), 2014: breaks(*REPLY, 1, 192), 2015: says(5, 0, 5, 2),
    2016: says(0, 0x5a, 0), 2017: says(0, 0x5b, *SOMEWHERE), 2018: says(5, 0x5a, *SOMEWHERE),
    2021: stalls(*b"HTTP/1.1 200 OK\r\nVia: ", *b"a" * 20000), 2022: says(*b"HTTP/1.1 200 OK\r\nVia:"),
    2023: says(*b"HTTP/1.1 2x0 OK\r\n\r\n"), 2024: stalls(*b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)}


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
