#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""User name and password (RFC 1929), octet for octet, for login.sh and sandbox.sh.

    login.py GATEWAY:PORT [option=value ...] USER PASSWORD

USER and PASSWORD may hold escapes (\\0, \\xff) and repetitions (u*255).  Options: header=TEXT goes first, for listeners
behind a load balancer; from=ADDRESS is the client's own; times=N logs in so often, and then=USER once more under that
name, while all before are held.  Prints how far it got each time: "no method", "closed", "status N", or after a login
the code of the reply to a CONNECT to the web server, "reply N".
"""
import socket
import sys

import socks5

USERPASS = 2


def octets(text):
    text = text.encode().decode("unicode_escape").encode("latin-1")
    letter, star, count = text.partition(b"*")
    return letter * int(count) if star else text


def login(conversation, header, user, password):
    conversation.sendall(header)
    if socks5.greet(conversation, bytes((USERPASS,))) != USERPASS:
        return "no method"
    conversation.sendall(bytes((1, len(user))) + user + bytes((len(password),)) + password)
    version, status = socks5.exactly(conversation, 2)
    assert version == 1
    if status:
        return f"status {status}"
    conversation.sendall(socks5.request("198.51.100.2", 80))
    return f"reply {socks5.exactly(conversation, 10)[1]}"


gateway, *given, user, password = sys.argv[1:]
options = dict(each.split("=", 1) for each in given)
source = (options["from"], 0) if "from" in options else None
users = [octets(user)] * int(options.get("times", 1))
if "then" in options:
    users.append(octets(options["then"]))
held = []
for each in users:
    try:
        held.append(socket.create_connection(socks5.split(gateway), 20, source))
        print(login(held[-1], octets(options.get("header", "")), each, octets(password)))
    except (EOFError, ConnectionError):
        print("closed")
