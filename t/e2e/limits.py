#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Relays and associations held at the same time, for limits.sh."""
import sys

import socks

CONNECT, ASSOCIATE, ECHO = 1, 3, 7


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


if __name__ == "__main__":
    socks.run({"relays": relays, "granted": granted, "associations": associations}, sys.argv[1:])
