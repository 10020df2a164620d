#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Requests that must fail, each with the right REP code (RFC 1928, 6), and clients that misbehave.

    replies.py GATEWAY LOG

Prints one result line per case.  The hosts are those of lib.sh and replies.sh.
"""
import contextlib
import sys
import threading
import time

import socks5
from socks5 import exactly, greet, reply, request

gateway, log = sys.argv[1:]
left_open = []
here = "[" + ("IPv6" if gateway.startswith("[") else "IPv4") + " client] "


def result(what, good, seen):
    print(f"{'' if good else 'not '}ok - {here}{what}" + ("" if good else f" (saw {seen!r})"), flush=True)


def equal(what, wanted, seen):
    result(what, wanted == seen, seen)


def answer_to(octets):
    """The reply to a request's octets.  After a failure the Gateway must close (RFC 1928, 6)."""
    with socks5.dial(gateway) as conversation:
        greet(conversation)
        conversation.sendall(octets)
        code, address, port = reply(conversation)
        if code:
            left_open.append(conversation.recv(1))  # within the socket's 10 seconds
        return code, address, port


def code_for(host, port, command=socks5.CONNECT):
    try:
        return answer_to(request(host, port, command))[0]
    except (OSError, EOFError) as error:
        return error


def logged(*words):
    """The log's lines that have all of these words, as soon as there is one."""
    deadline = time.monotonic() + 5
    while True:
        with open(log, encoding="ascii") as file:
            lines = [line for line in file if all(word in line for word in words)]
        if lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.05)


def ends(octets, sources=None):
    """What the Gateway says to these first octets until it closes; None when it does not close in time.  The client's
    endpoint, as the log has it, goes to `sources`."""
    with socks5.dial(gateway, timeout=8) as conversation:
        if sources is not None:
            host, port = conversation.getsockname()[:2]
            sources.append(f" client=[{host}]:{port} " if ":" in host else f" client={host}:{port} ")
        conversation.sendall(octets)
        with contextlib.suppress(ConnectionResetError):
            try:
                return b"".join(iter(lambda: conversation.recv(4096), b""))
            except TimeoutError:
                return None
        return b""


def failures():
    for name, wanted, cases in [
            ("succeeded", 0, [("only4.example", 7), ("only6.example", 7), ("198.51.100.2", 7), ("2001:db8:d::2", 7)]),
            ("refused", 5, [("only4.example", 1), ("only6.example", 1), ("198.51.100.2", 1), ("2001:db8:d::2", 1),
                            ("both.example", 1)]),
            ("no route to the network", 3, [("203.0.113.1", 80), ("2001:db8:e::1", 80)]),
            ("host unreachable", 4, [("203.0.113.33", 80), ("2001:db8:e:1::1", 80)]),
            ("no such name", 4, [("nobody.example", 80)]),
            ("a name without an address", 4, [("neither.example", 80)]),
            ("timed out", 6, [("203.0.113.67", 80), ("2001:db8:e:2::3", 80)]),
            ("forbidden port", 2, [("only4.example", 81), ("2001:db8:d::2", 81)]),
            ("forbidden name", 2, [("forbidden.example", 80), ("FORBIDDEN.example.", 80)]),
            ("the gateway's own addresses", 2, [("127.0.0.1", 1080), ("::1", 1080), ("198.51.100.1", 1080),
                                                ("2001:db8:d::1", 1080), ("::ffff:127.0.0.1", 1080),
                                                ("0.0.0.0", 1080), ("::", 1080)]),
            ("link-local addresses", 2, [("169.254.169.254", 80), ("fe80::1", 80)])]:
        for host, port in cases:
            equal(f"{name}: {host} port {port}", wanted, code_for(host, port))


def literals_as_names():
    equal("an IPv6 literal sent as a name is an address", 0, answer_to(request(b"2001:db8:d::2", 7))[0])
    equal("an IPv4 literal sent as a name is an address", 0, answer_to(request(b"198.51.100.2", 7))[0])
    equal("an own address hides in no name", 2, answer_to(request(b"127.0.0.1", 1080))[0])
    equal("a link-local literal with a zone is refused too", 2, answer_to(request(b"fe80::1%lo", 80))[0])
    longest = b".".join([b"a" * 63] * 3 + [b"b" * 53, b"example"])
    equal(f"a name of {len(longest)} octets that nobody has", 4, answer_to(request(longest, 80))[0])
    for name in (b"", b"two words", b"nul\0nul", b"c" * 255):
        seen = code_for(name, 80)
        result(f"the name {name!r} is refused", seen in (1, 2, 4) or isinstance(seen, EOFError), seen)


def bound_address():
    for server, source in [("only4.example", "198.51.100.1"), ("only6.example", "2001:db8:d::1")]:
        _, address, port = answer_to(request(server, 7))
        equal(f"BND is the address that {server} sees", source, address)
        result("with its port", port > 0, port)


def unknown():
    equal("unknown command", 7, code_for("only4.example", 80, command=0x7f))
    equal("unknown address type", 8, answer_to(b"\5\1\0\x05" + bytes(6))[0])
    equal("no acceptable method", b"\5\xff", ends(b"\5\1\x80"))
    for octets in (b"GET / HTTP/1.0\r\n\r\n", b"\5\0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        sources = []
        seen = ends(octets, sources)
        result(f"{octets[:8]!r} ends the conversation", seen is not None, seen)
        # Which the negotiate timeout would end as well.
        lines = logged(sources[0], " result=")
        result("at once, and not by a timeout", len(lines) == 1 and " result=timed-out " not in lines[0], lines)


def pipelined():
    with socks5.dial(gateway) as conversation:
        conversation.sendall(b"\5\1\0" + request("only6.example", 7) + b"early")
        exactly(conversation, 2)
        equal("greeting, request and data in one segment", (0, b"early"),
              (reply(conversation)[0], exactly(conversation, 5)))


def in_drops(octets, pause):
    """The octets, one at a time."""
    with socks5.dial(gateway) as conversation:
        try:
            for octet in octets:
                conversation.sendall(bytes((octet,)))
                time.sleep(pause)
            exactly(conversation, 2)
            return reply(conversation)[0]
        except (OSError, EOFError):
            return "closed"


def slow_clients():
    # One octet a second: cut at the negotiate timeout, and nobody else waits for it.
    crawlers, seen = [], []
    for _ in range(20):
        crawlers.append(threading.Thread(target=lambda: seen.append(in_drops(b"\5\1\0" + request("only4.example", 7), 1))))
        crawlers[-1].start()
    start = time.monotonic()
    codes = [code_for("only6.example", 7) for _ in range(10)]
    result("others are served while 20 clients send one octet a second",
           codes == [0] * 10 and time.monotonic() - start < 2, (codes, time.monotonic() - start))
    equal("a request in single octets is a request", 0, in_drops(b"\5\1\0" + request("only4.example", 7), 0.01))
    for crawler in crawlers:
        crawler.join()
    equal("one octet a second is cut by the negotiate timeout", ["closed"] * 20, seen)
    start = time.monotonic()
    ends(b"")
    silence = time.monotonic() - start
    result("so is a client that says nothing", 2 <= silence <= 6, silence)


def log_lines():
    """One line per relay at its end, and no line can be forged by a name."""
    answer_to(request(b"x\nresult=ok\xff\"", 80))
    address = gateway.rpartition(":")[0]
    source = " client=[2001:db8:c::2]:" if address.startswith("[") else " client=192.0.2.2:"
    lines = logged(source, r' to="x\u000aresult=ok\u00ff\":80" ')
    result("a name's octets are escaped in the log", len(lines) == 1, lines)
    with open(log, encoding="ascii") as file:
        strays = [line for line in file if not line.startswith("time=")]
    result("no name forges a line", not strays, strays)
    lines = logged("command=connect", "only6.example:7")
    for field in ("relay=", "client=", "to=", "address=", "result=", "sent=", "received=", "seconds="):
        result(f"the log line has {field}", all(" " + field in line for line in lines) and lines, lines[-1:])


for cases in (failures, literals_as_names, bound_address, unknown, pipelined, slow_clients, log_lines):
    try:
        cases()
    except (OSError, EOFError, AssertionError) as error:
        result(cases.__name__, False, error)
equal("every conversation that failed was closed", {b""}, set(left_open))
