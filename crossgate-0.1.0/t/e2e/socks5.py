# SPDX-License-Identifier: BSD-2-Clause
"""A SOCKS5 client (RFC 1928) for the end-to-end tests, with every step of the conversation apart, so that a test can
leave one out, stretch it or spoil it.  It shares no code with what it tests."""
import ipaddress
import socket
import struct

CONNECT, BIND, ASSOCIATE = 1, 2, 3
REPLIES = {0: "succeeded", 1: "general failure", 2: "not allowed", 3: "network unreachable", 4: "host unreachable",
           5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported"}


class Refused(Exception):
    def __init__(self, code):
        super().__init__(f"REP {code}: {REPLIES.get(code, 'unassigned')}")
        self.code = code


def split(text):
    """The host and port of "192.0.2.1:1080" or "[2001:db8::1]:1080"."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def exactly(conversation, count):
    octets = b""
    while len(octets) < count:
        piece = conversation.recv(count - len(octets))
        if not piece:
            raise EOFError(f"the Gateway closed after {len(octets)} of {count} octets")
        octets += piece
    return octets


def dial(gateway, timeout=10):
    conversation = socket.create_connection(split(gateway), timeout)
    conversation.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return conversation


def greet(conversation, methods=b"\0"):
    conversation.sendall(bytes((5, len(methods))) + methods)
    version, method = exactly(conversation, 2)
    assert version == 5
    return method


def request(host, port, command=CONNECT):
    """The request's octets.  A literal address goes as an address, anything else as a domain name; a name in bytes
    goes as it is."""
    try:
        address = ipaddress.ip_address(host) if isinstance(host, str) else None
    except ValueError:
        host, address = host.encode(), None
    if address:
        where = bytes((1 if address.version == 4 else 4,)) + address.packed
    else:
        where = bytes((3, len(host))) + host
    return bytes((5, command, 0)) + where + struct.pack(">H", port)


def reply(conversation):
    """(REP, BND.ADDR as text, BND.PORT)"""
    version, code, reserved, kind = exactly(conversation, 4)
    assert (version, reserved) == (5, 0) and kind in (1, 4), (version, reserved, kind)
    address = ipaddress.ip_address(exactly(conversation, 4 if kind == 1 else 16))
    return code, str(address), struct.unpack(">H", exactly(conversation, 2))[0]


def connect(gateway, host, port, timeout=10):
    """A relay to host and port, as a socket; raises Refused."""
    conversation = dial(gateway, timeout)
    try:
        if greet(conversation) != 0:
            raise PermissionError("the Gateway wants another method")
        conversation.sendall(request(host, port))
        code, _, _ = reply(conversation)
        if code:
            raise Refused(code)
        return conversation
    except BaseException:
        conversation.close()
        raise
