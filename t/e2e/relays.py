#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds relays to an echo service, on the orders of a test.

    relays.py GATEWAY HOST PORT

Reads one order per line from standard input and answers each with one line:

  open N      opens N more relays                   -> how many it now holds, or why it could not
  silent N    opens N connections to the Gateway that say nothing -> how many the kernel let it open
  end         closes the first of them                   -> how many it still holds
  alive       sends one octet through every relay and waits for it to come back -> how many did
  close       closes all relays and connections     -> 0
  time N      N times: a new relay, one octet there and back, and the end -> the median, in milliseconds
"""
import statistics
import sys
import time

import socks5


def echoes(relay, octet=b"?"):
    try:
        relay.sendall(octet)
        return relay.recv(1) == octet
    except OSError:
        return False


def once(gateway, host, port):
    start = time.monotonic()
    with socks5.connect(gateway, host, port) as relay:
        if not echoes(relay):
            raise OSError("no echo")
    return (time.monotonic() - start) * 1000


def main(gateway, host, port):
    held, silent = [], []
    for line in sys.stdin:
        order, *count = line.split()
        count = int(count[0]) if count else 0
        try:
            if order == "open":
                for _ in range(count):
                    held.append(socks5.connect(gateway, host, int(port)))
                answer = len(held)
            elif order == "silent":
                for _ in range(count):
                    silent.append(socks5.dial(gateway))
                answer = len(silent)
            elif order == "end":
                held.pop(0).close()
                answer = len(held)
            elif order == "alive":
                answer = sum(echoes(relay) for relay in held)
            elif order == "close":
                for connection in held + silent:
                    connection.close()
                held, silent = [], []
                answer = 0
            elif order == "time":
                answer = round(statistics.median(once(gateway, host, int(port)) for _ in range(count)))
        except (OSError, EOFError, socks5.Refused) as error:
            answer = f"{len(held)} held, then {type(error).__name__}: {error}"
        print(answer, flush=True)


main(*sys.argv[1:])
