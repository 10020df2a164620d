# SPDX-License-Identifier: BSD-2-Clause
"""A SOCKS client for the end-to-end tests, and sockets on any of their hosts.

The hosts are network namespaces (see lib.sh), and a socket stays in the one where it was made: so one process plays
the client and its peers at once.  $HOSTS names them: "client4=PID server6=PID ...".
"""
import contextlib
import ctypes
import ipaddress
import os
import socket
import struct

CONNECT, BIND, UDP_ASSOCIATE, RESOLVE, RESOLVE_PTR = 1, 2, 3, 0xf0, 0xf1
SUCCEEDED, GENERAL, NOT_ALLOWED, UNREACHABLE, EXPIRED, NO_COMMAND, NO_ADDRESS_TYPE = 0, 1, 2, 4, 6, 7, 8
GRANTED, REJECTED = 0x5a, 0x5b

hosts = dict(pair.split("=") for pair in os.environ["HOSTS"].split())
addresses = {"client4": "192.0.2.2", "client6": "2001:db8:c::2", "server4": "198.51.100.2", "server6": "2001:db8:d::2",
             "gateway": "127.0.0.1"}
gateway = {"client4": "192.0.2.1", "client6": "2001:db8:c::1", "server4": "198.51.100.1", "server6": "2001:db8:d::1",
           "gateway": "127.0.0.1"}
names = {"server4": "only4.example", "server6": "only6.example"}
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def on(host):
    """Sockets made inside belong to this host."""
    with open("/proc/self/ns/net") as home, open(f"/proc/{hosts[host]}/ns/net") as there:
        if _libc.setns(there.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            _libc.setns(home.fileno(), 0)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def place(address, port):
    """What a socket wants to know; of "fe80::1%3" the zone as well."""
    host, _, zone = address.partition("%")
    return (host, port, 0, int(zone)) if zone else (host, port)


def tcp(host, to, timeout=5, source=None):
    """A connection from a host, from `source` where it has several addresses, to (address, port)."""
    with on(host):
        connection = socket.socket(family(to[0]), socket.SOCK_STREAM)
    connection.settimeout(timeout)
    if source:
        connection.bind((source, 0))
    connection.connect(place(*to))
    return connection


def udp(host, address=None, port=0, timeout=5):
    """A bound UDP socket on a host."""
    address = address or addresses[host]
    with on(host):
        one = socket.socket(family(address), socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        one.bind(place(address, port))
    one.settimeout(timeout)
    return one


def encode(host, port):
    """ATYP, address and port of a host that is a literal address or a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bytes([3, len(host)]) + host.encode() + struct.pack(">H", port)
    return bytes([1 if address.version == 4 else 4]) + address.packed + struct.pack(">H", port)


def decode(octets):
    """((host, port), what follows) from ATYP on."""
    if octets[0] == 3:
        end = 2 + octets[1]
        host = octets[2:end].decode()
    else:
        end = 1 + {1: 4, 4: 16}[octets[0]]
        host = str(ipaddress.ip_address(octets[1:end]))
    return (host, struct.unpack(">H", octets[end:end + 2])[0]), octets[end + 2:]


def take(connection, count):
    octets = b""
    while len(octets) < count:
        piece = connection.recv(count - len(octets))
        if not piece:
            raise EOFError(f"closed after {len(octets)} of {count} octets: {octets.hex()}")
        octets += piece
    return octets


class Socks5:
    """One conversation; `reply` is the code of the last reply and `bound` its address.  `header` goes before it."""

    def __init__(self, client, command, host, port, timeout=5, wait=True, listener=1080, source=None, header=b""):
        self.tcp = tcp(client, (gateway[client], listener), timeout, source)
        self.tcp.sendall(header + b"\5\1\0")
        assert take(self.tcp, 2) == b"\5\0"
        self.tcp.sendall(bytes([5, command, 0]) + encode(host, port))
        if wait:
            self.receive_reply()

    def receive_reply(self):
        version, self.reply, reserved, kind = take(self.tcp, 4)
        assert (version, reserved) == (5, 0)
        head = bytes([kind])
        if kind == 3:
            head += take(self.tcp, 1)
        rest = head[1] if kind == 3 else {1: 4, 4: 16}[kind]
        self.bound, _ = decode(head + take(self.tcp, rest + 2))
        return self.reply


class Socks4:
    """The same in SOCKS4, or SOCKS4A when the host is no IPv4 address."""

    def __init__(self, client, command, host, port, user="", timeout=5):
        self.tcp = tcp(client, (gateway[client], 1080), timeout)
        try:
            address, name = ipaddress.IPv4Address(host).packed, b""
        except ValueError:
            address, name = b"\0\0\0\1", host.encode() + b"\0"
        self.tcp.sendall(struct.pack(">BBH", 4, command, port) + address + user.encode() + b"\0" + name)
        self.receive_reply()

    def receive_reply(self):
        version, self.reply, port, address = struct.unpack(">BBH4s", take(self.tcp, 8))
        assert version == 0
        self.bound = (str(ipaddress.IPv4Address(address)), port)
        return self.reply


def closed(connection):
    """The other side has ended or reset the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def equal(wanted, seen):
    assert wanted == seen, f"wanted {wanted!r}, saw {seen!r}"


def run(cases, arguments):
    """Runs the function that the first argument names with the others."""
    cases[arguments[0]](*arguments[1:])
