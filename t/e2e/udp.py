#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""UDP ASSOCIATE through the Gateway; t/e2e/udp.sh says what each case is about."""
import contextlib
import hashlib
import os
import select
import signal
import socket
import sys
import threading
import time

from socks import (NOT_ALLOWED, SUCCEEDED, UDP_ASSOCIATE, Socks5, addresses, closed, decode, encode, equal, gateway,
                   names, on, place, run, udp)

ECHO = 7007


class Association:
    """A client's association and its UDP socket."""

    def __init__(self, client, announced=None, timeout=5, listener=1080):
        self.udp = udp(client, timeout=timeout)
        host, port = announced or ("::" if ":" in addresses[client] else "0.0.0.0", 0)
        self.socks = Socks5(client, UDP_ASSOCIATE, host, port, listener=listener)
        equal(SUCCEEDED, self.socks.reply)
        self.relay = self.socks.bound

    def send(self, to, payload, fragment=0):
        self.udp.sendto(bytes([0, 0, fragment]) + encode(*to) + payload, self.relay)

    def receive(self):
        """(sender, payload)"""
        datagram, relay = self.udp.recvfrom(65535)
        equal(self.relay, relay[:2])
        equal(b"\0\0\0", datagram[:3])
        return decode(datagram[3:])

    def echo(self, to, payload, sender):
        self.send(to, payload)
        seen, answer = self.receive()
        equal(sender, seen)
        assert answer == payload, f"{len(answer)} octets that are not the {len(payload)} sent"

    def silent(self, seconds=0.3):
        ready, _, _ = select.select([self.udp], [], [], seconds)
        assert not ready, f"received {self.udp.recv(100)!r}"


@contextlib.contextmanager
def echo_server(server, port=ECHO):
    """Sends back what it gets; gives its endpoint."""
    one = udp(server, port=port)
    one.settimeout(0.1)
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                while True:
                    datagram, peer = one.recvfrom(65535)
                    one.sendto(datagram, peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield addresses[server], one.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        one.close()


def payload(size):
    return hashlib.shake_256(str(size).encode()).digest(size)


def sizes(client, server):
    """By address and by name, from nothing to as much as a datagram holds."""
    with echo_server(server) as at:
        one = Association(client)
        equal(gateway[client], one.relay[0])
        largest = 65507 - 22 if server == "server6" else 65507 - 10
        for size in (0, 1, 64, 512, 1472, 9000, 60000, largest):
            one.echo(at, payload(size), at)
        for size in (64, 60000):
            one.echo((names[server], at[1]), payload(size), at)
        one.echo((at[0].upper(), at[1]), b"an address as a name", at)


def through(client, server):
    """The same through further gateways: each takes a header of room, the last knows the server."""
    with echo_server(server) as at:
        one = Association(client)
        for size in (0, 1, 512, 1472, 9000, 60000):
            one.echo(at, payload(size), at)
        for size in (64, 60000):
            one.echo((names[server], at[1]), payload(size), at)


def seen_as(client, server, address):
    """The server sees this address, and what it sends there comes back."""
    one, there = Association(client), udp(server)
    at = there.getsockname()[:2]
    one.send(at, b"hello")
    datagram, sender = there.recvfrom(100)
    equal((b"hello", address), (datagram, sender[0]))
    there.sendto(b"hello yourself", sender)
    equal((at, b"hello yourself"), one.receive())


def announced_port(client, server):
    """A client that tells its own address and port gets only that port served."""
    with echo_server(server) as at:
        early = udp(client)
        one = udp(client)
        association = Association(client, announced=(addresses[client], one.getsockname()[1]))
        early.sendto(bytes(3) + encode(*at) + b"not from there", association.relay)
        association.udp.close()
        association.udp = one
        association.echo(at, b"hello", at)


def announced_destination(client, server):
    """Some clients tell where they want to send to."""
    with echo_server(server) as at:
        Association(client, announced=at).echo(at, b"hello", at)
        Association(client, announced=(names[server], at[1])).echo(at, b"hello", at)


def link_local(client, client_link, server, server_link):
    """The two are known by link-local addresses, of which SOCKS carries no zone."""
    def scoped(host, address, link):
        with on(host):
            return f"{address}%{socket.if_nametoindex(link)}"

    mine = scoped(client, "fe80::c:2", client_link)
    gateway[client] = scoped(client, "fe80::c:1", client_link)
    at_server = udp(server, address=scoped(server, "fe80::d:2", server_link), port=ECHO)
    one = udp(client, address=mine)
    socks = Socks5(client, UDP_ASSOCIATE, mine, one.getsockname()[1])
    equal(SUCCEEDED, socks.reply)
    relay = place(gateway[client], socks.bound[1])
    frame = bytes(3) + encode("fe80::d:2", ECHO)
    udp(client, address=mine).sendto(frame + b"not from the port that was announced", relay)
    one.sendto(frame + b"question", relay)
    question, outside = at_server.recvfrom(100)
    equal(b"question", question)
    at_server.sendto(b"answer", outside)
    equal(frame + b"answer", one.recv(100))


def forged(client, server, other_address):
    """Neither another host nor another port of the client's host gets anything through."""
    server_socket = udp(server, port=ECHO)
    at = (addresses[server], ECHO)
    one = Association(client)
    one.send(at, b"the first datagram tells the port")
    equal(b"the first datagram tells the port", server_socket.recv(100))
    frame = bytes(3) + encode(*at) + b"forged"
    udp(client).sendto(frame, one.relay)
    udp(client, address=other_address).sendto(frame, one.relay)
    one.send(at, b"still mine")
    equal(b"still mine", server_socket.recv(100))
    server_socket.settimeout(0.3)
    try:
        raise AssertionError(f"received {server_socket.recv(100)!r}")
    except TimeoutError:
        pass


def owned(server, listener, other):
    """Another user of the same host gets nothing through an association of the owner's."""
    with echo_server(server) as at:
        with on("gateway"):
            os.seteuid(int(other))
            theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            os.seteuid(0)
        association = Association("gateway", listener=int(listener))
        theirs.sendto(bytes(3) + encode(*at) + b"not the owner's", association.relay)
        association.echo(at, b"the owner's", at)


def fragments(client, server):
    """RFC 1928, section 7.  (That a sequence expires takes 5 seconds: see `expired`.)"""
    with echo_server(server) as at:
        one = Association(client)

        def gives(pieces, whole):
            for fragment, piece in pieces:
                one.send(at, piece, fragment)
            if whole is None:
                one.silent()
            else:
                equal((at, whole), one.receive())

        gives([(0x81, b"alone")], b"alone")
        gives([(1, b"in "), (2, b"good "), (0x83, b"order")], b"in good order")
        many = [(i, payload(300 + i)) for i in range(1, 128)]
        many[-1] = (0xff, many[-1][1])
        gives(many, b"".join(piece for _, piece in many))
        gives([(2, b"out "), (1, b"of "), (0x83, b"order")], None)
        gives([(1, b"one is "), (0x83, b"lost")], None)
        gives([(1, b"twice "), (2, b"the "), (2, b"same "), (0x83, b"one")], None)
        gives([(1, b"begun "), (1, b"begun anew, "), (0x82, b"and whole")], b"begun anew, and whole")
        gives([(0x80, b"no position")], None)
        gives([(1, payload(40000)), (0x82, payload(40000))], None)
        # One that stands alone passes at once, and ends the sequence around it.
        one.send(at, b"around ", 1)
        one.send(at, b"in the middle")
        equal((at, b"in the middle"), one.receive())
        gives([(0x82, b"it")], None)
        one.send(at, b"two destinations", 1)
        one.send((at[0], at[1] + 1), b"are not one", 0x82)
        one.silent()
        one.echo(at, b"still there", at)


def expired(client, server):
    with echo_server(server) as at:
        one = Association(client)
        one.send(at, b"too ", 1)
        time.sleep(5.1)
        one.send(at, b"late", 0x82)
        one.silent()


def no_fragments(client, server):
    with echo_server(server) as at:
        one = Association(client)
        one.send(at, b"alone", 0x81)
        one.silent()
        one.echo(at, b"hello", at)


def rules(client, server):
    """`permit` covers this server alone: no other destination gets anything, nor does the gateway's own host."""
    with echo_server(server) as at:
        one = Association(client)
        for to in ((gateway[client], 53), ("127.0.0.1", 53), ("::ffff:127.0.0.1", 53), ("203.0.113.1", 9),
                   ("nowhere.example", 9), ("only6.example" if server == "server4" else "only4.example", 9)):
            one.send(to, b"denied")
        one.echo(at, b"permitted", at)
        one.echo((names[server], at[1]), b"permitted", at)
        one.silent()


def no_command(client, reply=NOT_ALLOWED):
    equal(int(reply), Socks5(client, UDP_ASSOCIATE, "0.0.0.0", 0).reply)


def unrouted(client):
    one = Association(client)
    one.send((names["server4"], 7), b"not sent")
    one.silent()


def hop_ends(client, pid):
    """The gateway with this process id is stopped."""
    one = Association(client)
    os.kill(int(pid), signal.SIGINT)
    assert closed(one.socks.tcp), "the association outlives its hop"


def rubbish(client, server):
    """Octets that are no header are dropped, and nothing else happens."""
    with echo_server(server) as at:
        one = Association(client)
        good = bytes(3) + encode(*at)
        for datagram in (b"", b"\0", b"\0\0\0", b"\0\1" + good[2:], good[:-1], b"\0\0\0\2" + good[4:],
                         b"\0\0\0\3\0\0\7", b"\0\0\0\3\xffabc", b"\xff" * 600):
            one.udp.sendto(datagram, one.relay)
        one.send(("only6.example", 0), b"to port 0")
        one.echo(at, b"hello", at)


def peers(client, server, other_address, everybody):
    """Who may answer: another port of a host that was sent to; another host only where udp.peers says so."""
    at_port = udp(server, port=ECHO)
    one = Association(client)
    one.send((addresses[server], ECHO), b"hello")
    _, outside = at_port.recvfrom(100)
    udp(server, port=ECHO + 1).sendto(b"from another port", outside[:2])
    equal(((addresses[server], ECHO + 1), b"from another port"), one.receive())
    udp(server, address=other_address, port=ECHO).sendto(b"from another host", outside[:2])
    if everybody == "any":
        equal(((other_address, ECHO), b"from another host"), one.receive())
    else:
        one.silent()


def ends(client, server):
    """The association is gone at once with its TCP connection."""
    with echo_server(server) as at:
        one = Association(client)
        one.echo(at, b"hello", at)
        one.socks.tcp.close()
        gone(one, at)


def gone(one, at):
    one.udp.connect(one.relay)
    deadline = time.monotonic() + 5
    try:
        while time.monotonic() < deadline:
            one.udp.send(bytes(3) + encode(*at) + b"anybody there?")
            time.sleep(0.02)
    except ConnectionRefusedError:
        return
    raise AssertionError("the relay's port is still open")


def idle(client, server, seconds):
    """Datagrams keep an association alive, and silence ends it, not before the time."""
    seconds = float(seconds)
    with echo_server(server) as at:
        one, started = kept_alive(client, at, seconds)
        one.socks.tcp.settimeout(seconds + 10)
        assert closed(one.socks.tcp)
        elapsed = time.monotonic() - started
        assert seconds <= elapsed, f"after {elapsed} s"
        gone(one, at)


def strangers(client, server):
    """Another host keeps sending to where the server is spoken to from; the client hears nothing and its time runs out."""
    at_server = udp(server, port=ECHO)
    one = Association(client)
    one.send((addresses[server], ECHO), b"the only one")
    _, outside = at_server.recvfrom(100)
    stranger = udp(client)
    deadline = time.monotonic() + 10
    while not select.select([one.socks.tcp], [], [], 0.3)[0]:
        assert time.monotonic() < deadline, "the association is still there"
        stranger.sendto(b"anybody there?", (gateway[client], outside[1]))
    assert closed(one.socks.tcp)
    one.silent(0)


def kept_alive(client, at, seconds):
    """An association that has been used for longer than the timeout, and when its last datagram was sent.  A host so
    slow that it made a long pause has shown nothing, and tries again."""
    for _ in range(5):
        one, sent = Association(client), []
        try:
            for _ in range(6):
                time.sleep(seconds / 4)
                sent.append(time.monotonic())
                one.echo(at, b"hello", at)
            return one, sent[-1]
        except TimeoutError:
            if all(later - earlier < seconds / 2 for earlier, later in zip(sent, sent[1:])):
                raise
    raise AssertionError("too slow a host")


def advertised(client, address, low, high):
    one = Association(client)
    equal(address, one.relay[0])
    assert int(low) <= one.relay[1] <= int(high), one.relay
    two = Association(client)
    assert int(low) <= two.relay[1] <= int(high) and two.relay != one.relay, two.relay


def crowd(client, server, count):
    """Many associations at once, each with its own conversation."""
    at_once = 50  # what waits in the echo server's buffer at the most
    with echo_server(server) as at:
        all_of_them = [Association(client) for _ in range(int(count))]
        for i in range(3):
            for first in range(0, len(all_of_them), at_once):
                some = list(enumerate(all_of_them))[first:first + at_once]
                for number, one in some:
                    one.send(at, f"{number} {i}".encode())
                for number, one in some:
                    equal((at, f"{number} {i}".encode()), one.receive())


def stream(client, server, total):
    """As fast as it goes with 32 of them on their way: each datagram comes back, once."""
    total, window = int(total), 32
    with echo_server(server) as at:
        one = Association(client)
        seen = []
        for sent in range(total + window):
            if sent < total:
                one.send(at, b"%064d" % sent)
            if sent >= window:
                seen.append(int(one.receive()[1]))
        one.silent()
        equal(list(range(total)), sorted(seen))


def paced(client, server, rate, seconds):
    """So many datagrams of 64 octets a second, and each of them comes back."""
    rate, total = int(rate), int(rate) * int(seconds)
    with echo_server(server) as at:
        one = Association(client)
        one.echo(at, b"ready", at)
        seen = set()

        def receive():
            with contextlib.suppress(TimeoutError):
                while len(seen) < total:
                    seen.add(one.udp.recv(200)[-64:])

        one.udp.settimeout(2)
        receiver = threading.Thread(target=receive)
        receiver.start()
        head = bytes(3) + encode(*at)
        started = time.monotonic()
        sent = 0
        while sent < total:
            due = min(total, int((time.monotonic() - started) * rate) + 1)
            for number in range(sent, due):
                one.udp.sendto(head + b"%064d" % number, one.relay)
            sent = due
            time.sleep(0.0005)
        elapsed = time.monotonic() - started
        receiver.join()
        print(f"{len(seen)} of {total} came back; sent within {elapsed:.2f} s", file=sys.stderr)
        equal(total, len(seen))


run(globals(), sys.argv[1:])
