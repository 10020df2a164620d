#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Relays and associations held at the same time, for limits.sh."""
import sys
import time

import socks

CONNECT, ASSOCIATE, ECHO = 1, 3, 7
PROXY = b"PROXY TCP4 203.0.113.9 192.0.2.1 1 1080\r\n"


def relays(client, host, wanted):
    """As many at once as there are replies wanted, to the echo service."""
    held = [socks.Socks5(client, CONNECT, host, ECHO, timeout=20) for _ in wanted.split()]
    socks.equal(wanted, " ".join(str(one.reply) for one in held))


def granted(client, host, count, wanted):
    """So many of `count` that are held at once."""
    held = [socks.Socks5(client, CONNECT, host, ECHO, timeout=20) for _ in range(int(count))]
    socks.equal(int(wanted), sum(one.reply == 0 for one in held))


def associations(client, wanted):
    held = [socks.Socks5(client, ASSOCIATE, "0.0.0.0", 0) for _ in wanted.split()]
    socks.equal(wanted, " ".join(str(one.reply) for one in held))


def from_source(client, source, **how):
    """A relay from this address of the client; None where the Gateway closes the connection instead."""
    try:
        return socks.Socks5(client, CONNECT, "198.51.100.2", ECHO, source=source, **how)
    except (EOFError, ConnectionError):
        return None


def told(held):
    return " ".join(str(one.reply) if one else "closed" for one in held)


def sources(client, wanted, *addresses):
    """One relay from each address, held at the same time; then the first ends and makes room for one more."""
    held = [from_source(client, address) for address in addresses]
    socks.equal(wanted, told(held))
    held[0].tcp.close()
    deadline = time.monotonic() + 5
    while not (again := from_source(client, addresses[0])):
        assert time.monotonic() < deadline, "what has ended is not given back"
    socks.equal(0, again.reply)


def balanced(client, source, wanted):
    """Relays that a load balancer at this address brings."""
    socks.equal(wanted, told([from_source(client, source, listener=1082, header=PROXY) for _ in wanted.split()]))


def unbalanced(client, source, wanted):
    """Relays at the same listener from who is no load balancer."""
    socks.equal(wanted, told([from_source(client, source, listener=1082) for _ in wanted.split()]))


if __name__ == "__main__":
    socks.run(globals(), sys.argv[1:])
