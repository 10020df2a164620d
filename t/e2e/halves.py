#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each side of a relay can end its half, or break off, without the Gateway changing what the other side sees.

    halves.py GATEWAY HOST [before-its-reply]

Prints "ok - ..." or "not ok - ..." per case; the exit code is the number of failed cases.
"""
import socket
import struct
import sys

import socks5

gateway, host = sys.argv[1:3]
failures = 0


def result(what, good, seen):
    global failures
    failures += not good
    print(f"{'' if good else 'not '}ok - {what}" + ("" if good else f" (saw {seen!r})"))


def rest(relay):
    return b"".join(iter(lambda: relay.recv(65536), b""))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def client_ends_first():
    with socks5.connect(gateway, host, 9) as relay:
        relay.sendall(b"x" * 3_000_000)
        relay.shutdown(socket.SHUT_WR)
        answer = rest(relay)
    result("the client ends its half first and gets the whole answer", answer.startswith(b"3000000 octets"), answer)


def server_ends_first():
    with socks5.connect(gateway, host, 10) as relay:
        greeting = rest(relay)
        result("the server ends its half first, and the client sees that", greeting == b"that is all\n", greeting)
        try:
            relay.sendall(b"y" * 2_000_000)
            seen = None
        except OSError as error:
            seen = error
    result("after that the client can still send", seen is None, seen)


def server_breaks_off():
    with socks5.connect(gateway, host, 11) as relay:
        relay.sendall(b"reset me")
        try:
            seen = rest(relay)
        except ConnectionResetError as error:
            seen = error
    result("a reset by the server reaches the client as a reset", isinstance(seen, ConnectionResetError), seen)


def client_breaks_off():
    relay = socks5.connect(gateway, host, 7)
    relay.sendall(b"z")
    relay.recv(1)
    reset(relay)


def client_breaks_off_before_its_reply():
    """By SOCKS4, whose request comes first: for a relay to the Gateway's own port."""
    hasty = socks5.dial(gateway)
    hasty.sendall(b"\x04\x01" + struct.pack("!H", 1080) + socket.inet_aton(host) + b"\0")
    reset(hasty)


if sys.argv[3:] == ["before-its-reply"]:
    client_breaks_off_before_its_reply()
    sys.exit()
client_ends_first()
server_ends_first()
server_breaks_off()
client_breaks_off()
sys.exit(failures)
