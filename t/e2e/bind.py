#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""BIND through the Gateway; t/e2e/bind.sh says what each case is about."""
import sys
import time

from socks import (BIND, EXPIRED, GRANTED, NOT_ALLOWED, REJECTED, SUCCEEDED, UNREACHABLE, Socks4, Socks5, addresses,
                   closed, equal, gateway, names, run, take, tcp)


def talk(client, peer):
    """Octets both ways, and both ends in order."""
    peer.sendall(b"from the peer")
    equal(b"from the peer", take(client, 13))
    client.sendall(b"from the client")
    equal(b"from the client", take(peer, 15))
    client.close()
    assert closed(peer), "the client has ended, and the peer does not hear of it"


def meet(bind, peer_host):
    """Plays the peer for a BIND that has its first reply."""
    equal(SUCCEEDED, bind.reply)
    equal(gateway[peer_host], bind.bound[0])
    peer = tcp(peer_host, bind.bound)
    equal(SUCCEEDED, bind.receive_reply())
    equal((addresses[peer_host], peer.getsockname()[1]), bind.bound)
    talk(bind.tcp, peer)


def expected(client, peer_host):
    meet(Socks5(client, BIND, addresses[peer_host], 21), peer_host)


def by_name(client, peer_host):
    meet(Socks5(client, BIND, names[peer_host], 21), peer_host)


def seen_as(client, peer_host, address):
    """The peer is to come to this address, and does."""
    bind = Socks5(client, BIND, addresses[peer_host], 0)
    equal((SUCCEEDED, address), (bind.reply, bind.bound[0]))
    peer = tcp(peer_host, bind.bound)
    equal(SUCCEEDED, bind.receive_reply())
    talk(bind.tcp, peer)


def early_data(client, peer_host):
    """What the peer says at once, and what the client says before the peer is there, both arrive."""
    bind = Socks5(client, BIND, addresses[peer_host], 0)
    bind.tcp.sendall(b"too soon")
    place = bind.bound
    peer = tcp(peer_host, place)
    peer.sendall(b"hello")
    equal(SUCCEEDED, bind.receive_reply())
    equal(b"hello", take(bind.tcp, 5))
    equal(b"too soon", take(peer, 8))


def stranger(client, peer_host, stranger_host):
    """Somebody else of the peer's family is turned away, and the peer still gets in."""
    bind = Socks5(client, BIND, addresses[peer_host], 0)
    place = bind.bound
    try:
        assert closed(tcp(stranger_host, place)), "a stranger was let in"
    except ConnectionResetError:
        pass  # even before connect() has returned
    peer = tcp(peer_host, place)
    equal(SUCCEEDED, bind.receive_reply())
    talk(bind.tcp, peer)


def nobody(client, peer_host, seconds):
    """The second reply tells that nobody came, not before the time, and then nobody can come any more."""
    started = time.monotonic()
    bind = Socks5(client, BIND, addresses[peer_host], 0, timeout=float(seconds) + 10)
    place = bind.bound
    equal(EXPIRED, bind.receive_reply())
    elapsed = time.monotonic() - started
    assert float(seconds) <= elapsed, f"after {elapsed} s"
    assert closed(bind.tcp)
    refused(peer_host, place)


def refused(host, place):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            tcp(host, place)
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # closed while this one was on its way
            pass
        time.sleep(0.02)
    raise AssertionError("the port is still open")


def leaves(client, peer_host):
    """A client that leaves closes the port at once."""
    bind = Socks5(client, BIND, addresses[peer_host], 0)
    bind.tcp.close()
    refused(peer_host, bind.bound)


def anybody(client, peer_host, zeros):
    """All zeros: any peer, where the rules say so."""
    bind = Socks5(client, BIND, zeros, 0)
    equal(SUCCEEDED, bind.reply)
    equal(gateway[peer_host], bind.bound[0])
    peer = tcp(peer_host, bind.bound)
    equal(SUCCEEDED, bind.receive_reply())
    equal(addresses[peer_host], bind.bound[0])
    talk(bind.tcp, peer)


def denied(client, host):
    bind = Socks5(client, BIND, host, 0)
    equal(NOT_ALLOWED, bind.reply)
    assert closed(bind.tcp)


def unknown_name(client):
    equal(UNREACHABLE, Socks5(client, BIND, "nowhere.example", 0).reply)


def in_range(client, peer_host, low, high):
    """Every port of the range is used, and then there are no more."""
    ports = range(int(low), int(high) + 1)
    binds = [Socks5(client, BIND, addresses[peer_host], 0) for _ in ports]
    equal([SUCCEEDED] * len(ports), [bind.reply for bind in binds])
    equal(list(ports), sorted(bind.bound[1] for bind in binds))
    equal(1, Socks5(client, BIND, addresses[peer_host], 0).reply)
    binds[0].tcp.close()
    refused(peer_host, (gateway[peer_host], binds[0].bound[1]))
    again = Socks5(client, BIND, addresses[peer_host], 0)
    equal((SUCCEEDED, binds[0].bound), (again.reply, again.bound))


def advertised(client, peer_host, address):
    bind = Socks5(client, BIND, addresses[peer_host], 0)
    equal(address, bind.bound[0])
    peer = tcp(peer_host, (gateway[peer_host], bind.bound[1]))
    equal(SUCCEEDED, bind.receive_reply())
    talk(bind.tcp, peer)


def socks4(client, peer_host, how):
    bind = Socks4(client, BIND, addresses[peer_host] if how == "address" else names[peer_host], 0, "alice")
    equal(GRANTED, bind.reply)
    # An IPv6 address has no room in a SOCKS4 reply, its port has.
    told = gateway[peer_host] if peer_host == "server4" else "0.0.0.0"
    equal(told, bind.bound[0])
    peer = tcp(peer_host, (gateway[peer_host], bind.bound[1]))
    equal(GRANTED, bind.receive_reply())
    equal(addresses[peer_host] if peer_host == "server4" else "0.0.0.0", bind.bound[0])
    talk(bind.tcp, peer)


def socks4_denied(client, peer_host, user):
    bind = Socks4(client, BIND, addresses[peer_host], 0, user)
    equal(REJECTED, bind.reply)
    assert closed(bind.tcp)


def socks4_nobody(client, peer_host):
    bind = Socks4(client, BIND, addresses[peer_host], 0, timeout=10)
    equal(GRANTED, bind.reply)
    equal(REJECTED, bind.receive_reply())
    assert closed(bind.tcp)


run(globals(), sys.argv[1:])
