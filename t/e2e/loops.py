#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run through socksify: what a program sees of its sockets while the Gateway takes its time.

    loops.py gateway PORT SECONDS          a SOCKS server that waits so long before each reply, and
                                           echoes; a host* says its name first; it has no UDP
    loops.py CHECK NAME                    one of the checks below, against that server
"""
import asyncio
import errno
import fcntl
import os
import select
import socket
import struct
import sys
import threading
import time


def gateway(port, seconds):
    """Enough of RFC 1928 for the checks: the name decides how the request ends."""
    refusals = {b"refused.example": 5, b"denied.example": 2, b"unreachable.example": 4, b"timeout.example": 6}

    def take(connection, count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def serve(connection):
        try:
            take(connection, take(connection, 2)[1])
            connection.sendall(b"\5\0")
            _, command, _, kind = take(connection, 4)
            name = take(connection, 4 if kind == 1 else take(connection, 1)[0])
            take(connection, 2)
            time.sleep(seconds)
            code = 7 if command == 3 else refusals.get(name, 0)
            connection.sendall(struct.pack("!BBBBIH", 5, code, 0, 1, 0, 0))
            if b"host" in name:
                connection.sendall(name)
            while code == 0 and (data := connection.recv(65536)):
                connection.sendall(data)
        except (EOFError, OSError):
            pass
        connection.close()

    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def expect(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def start(name="echo.example", blocking=False):
    s = socket.socket()
    s.setblocking(blocking)
    return s, s.connect_ex((name, 7))


def check_ticks(name):
    """An event loop keeps ticking, up to 40 times in the 2 s; with a connect() that waits it would hardly once."""
    async def main():
        ticks = 0
        connecting = asyncio.ensure_future(asyncio.open_connection(name, 7))
        while not connecting.done():
            await asyncio.sleep(0.05)
            ticks += 1
        reader, writer = await connecting
        writer.write(b"hello")
        expect(await reader.readexactly(5) == b"hello", "the echo")
        return ticks
    ticks = asyncio.run(main())
    expect(ticks >= 10, f"{ticks} ticks")


def check_pending(name):
    s, result = start(name)
    expect(result == errno.EINPROGRESS, f"connect: {result}")
    expect(s.connect_ex((name, 7)) == errno.EALREADY, "a second connect is EALREADY")
    expect(select.select([s], [s], [s], 0) == ([], [], []), "nothing is ready yet")
    expect(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, "no error yet")
    expect(select.select([], [s], [], 10)[1] == [s], "writable at last")
    expect(s.connect_ex((name, 7)) == errno.EISCONN, "then connect is EISCONN")


def check_edge(name):
    """Edge-triggered, registered before connect(): one edge, when the conversation has ended."""
    s = socket.socket()
    s.setblocking(False)
    poller = select.epoll()
    result = None
    # An unconnected socket is ready (HUP) at once: take that edge first, as a real program would see it.
    poller.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    poller.poll(0)
    result = s.connect_ex((name, 7))
    expect(result == errno.EINPROGRESS, f"connect: {result}")
    begun = time.monotonic()
    events = poller.poll(10)
    waited = time.monotonic() - begun
    expect(waited > 1, f"an edge after {waited:.3f} s")
    expect(events == [(s.fileno(), select.EPOLLOUT)], f"{events}")
    expect(poller.poll(0.3) == [], "a second edge")
    s.send(b"x")
    expect(poller.poll(5)[0][1] & select.EPOLLIN, "the answer")


def check_registered_meanwhile(name):
    """epoll sets that are changed all the time keep their sockets when these are connected."""
    for _ in range(300):
        s, _ = start(name)
        poller = select.epoll()
        end = time.monotonic() + 30
        poller.register(s, select.EPOLLOUT)
        while not poller.poll(0):
            poller.modify(s, select.EPOLLOUT | select.EPOLLET)
            poller.unregister(s)
            poller.register(s, select.EPOLLOUT)
            expect(time.monotonic() < end, "the event")
        s.close()
        poller.close()


def check_forked(name):
    """A child of _Fork(), which runs no handlers, uses epoll too; its parent is connecting."""
    import ctypes
    libc = ctypes.PyDLL(None)
    own, _ = start(name)
    fork = libc._Fork if hasattr(libc, "_Fork") else os.fork
    child = fork()
    if child == 0:
        s, _ = start(name)
        poller = select.epoll()
        poller.register(s, select.EPOLLOUT)
        os._exit(0 if poller.poll(20) == [(s.fileno(), select.EPOLLOUT)] else 1)
    expect(os.waitpid(child, 0)[1] == 0, "the child's event")
    expect(select.select([], [own], [], 20)[1] == [own], "the parent's connection")


def check_poll_asleep(name):
    s, _ = start(name)
    p = select.poll()
    p.register(s, select.POLLOUT)
    expect(p.poll(10000) == [(s.fileno(), select.POLLOUT)], "poll")


def check_microseconds(name):
    """select() takes more than a second of microseconds, but nothing below zero."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    s, _ = start(name)
    wanted = (1 << s.fileno() % 64).to_bytes(8, sys.byteorder)

    def select_for(seconds, microseconds):
        writable = ctypes.create_string_buffer(bytes(s.fileno() // 64 * 8) + wanted, 128)
        result = libc.select(s.fileno() + 1, None, writable, None,
                             ctypes.create_string_buffer(struct.pack("ll", seconds, microseconds)))
        return result if result >= 0 else -ctypes.get_errno()
    for unfit in ((0, -1), (9, -1000000), (-1, 2000000)):
        expect(select_for(*unfit) == -errno.EINVAL, f"{unfit}")
    expect(select_for(0, 40000000) == 1, "40 s in microseconds")


def check_errors(_):
    for name, error in (("refused.example", errno.ECONNREFUSED), ("denied.example", errno.EACCES),
                        ("unreachable.example", errno.EHOSTUNREACH), ("timeout.example", errno.ETIMEDOUT)):
        expect(start(name, True)[1] == error, f"blocking: {name}")
        s, result = start(name)
        expect(result == errno.EINPROGRESS, f"{name}: {result}")
        p = select.poll()
        p.register(s, select.POLLOUT)
        events = p.poll(10000)[0][1]
        expect(events & select.POLLERR and events & select.POLLHUP, f"{name}: events {events:#x}")
        expect(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == error, f"{name}: SO_ERROR")
        expect(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, f"{name}: told once")


def check_kept(name):
    """Options, flags and names; dup, fork, exec and a raw close."""
    for blocking in (True, False):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
        size = s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        flags = fcntl.fcntl(s, fcntl.F_GETFD)
        s.setblocking(blocking)
        s.connect_ex((name, 7))
        copy = os.dup(s.fileno())
        select.select([], [s], [], 10)
        expect(s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1, "SO_KEEPALIVE")
        expect(s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == size, "SO_RCVBUF")
        expect(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1, "TCP_NODELAY")
        expect(s.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x10, "IP_TOS")
        expect(fcntl.fcntl(s, fcntl.F_GETFD) == flags, "CLOEXEC")
        expect(bool(fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK) != blocking, "O_NONBLOCK")
        twin = socket.socket(fileno=copy)
        twin.setblocking(True)
        peer = s.getpeername()
        expect(peer[0].startswith("0.") and peer[1] == 7, f"getpeername: {peer}")
        expect(twin.getpeername() == peer, "of the dup")
        twin.send(b"dup")
        expect(twin.recv(3) == b"dup", "the echo over the dup")
        os.set_inheritable(copy, True)
        child = os.fork()
        if child == 0:
            os.execvp(sys.executable, [sys.executable, "-c", "import socket, sys; "
                      f"sys.exit(socket.socket(fileno={copy}).getpeername() != {peer!r})"])
        expect(os.waitpid(child, 0)[1] == 0, "getpeername after fork and exec")


def check_resolver(name):
    """res_query() and res_send(): the same fake as the look-up functions give, and its name back."""
    import ctypes
    libc = ctypes.CDLL(None)
    answer = ctypes.create_string_buffer(512)
    fake = socket.gethostbyname(name)
    size = libc.res_query(name.encode(), 1, 1, answer, 512)
    expect(size > 12 and answer.raw[size - 4:size] == socket.inet_aton(fake), "an A record")
    size = libc.res_query(name.encode(), 1, 28, answer, 512)
    expect(answer.raw[size - 16:size] == socket.inet_pton(socket.AF_INET6, socket.getaddrinfo(
        name, 1, socket.AF_INET6)[0][4][0]), "an AAAA record")
    size = libc.res_search((".".join(reversed(fake.split("."))) + ".in-addr.arpa").encode(), 1, 12, answer, 512)
    expect(size > 12 and b"\4echo\7example\0" in answer.raw[12:size], "a PTR record")
    expect(libc.res_query(name.encode(), 1, 15, answer, 512) == -1, "no MX record")
    question = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\4echo\7example\0\0\1\0\1"
    size = libc.res_send(question, len(question), answer, 512)
    expect(answer.raw[:2] == b"\x12\x34" and answer.raw[size - 4:size] == socket.inet_aton(fake), "res_send")


def check_alarm(name):
    import signal
    rung = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    s = socket.socket()
    begun = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    s.connect((name, 7))  # Python goes on waiting after EINTR, by poll()
    expect(rung and rung[0] - begun < 1, "the signal came while connecting")
    s.send(b"a")
    expect(s.recv(1) == b"a", "and the connection stands")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300000))
    expect(s.connect_ex((name, 7)) in (errno.EINPROGRESS, errno.EAGAIN), "SO_SNDTIMEO")


def check_interrupted(name):
    """A connect() that a signal has interrupted, made again on the blocking socket: it waits, and tells the end."""
    import ctypes
    import signal
    libc = ctypes.CDLL(None, use_errno=True)
    signal.signal(signal.SIGALRM, lambda *_: None)

    def connect(s, host):
        address = struct.pack("=HH", socket.AF_INET, socket.htons(7)) + socket.inet_aton(socket.gethostbyname(host))
        return 0 if libc.connect(s.fileno(), address + bytes(8), 16) == 0 else ctypes.get_errno()

    def interrupted(host):
        s = socket.socket()
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        expect(connect(s, host) == errno.EINTR, "a signal interrupts connect")
        return s

    def connect_again(s, host):
        result = errno.EINTR
        while result == errno.EINTR:
            result = connect(s, host)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return result
    s = interrupted(name)
    result = connect_again(s, name)
    expect(result == 0, f"once more: {result}")
    s.send(b"x")
    expect(s.recv(1) == b"x", "the echo")
    expect(connect(s, name) == errno.EISCONN, "it is connected")
    s = interrupted(name)
    signal.setitimer(signal.ITIMER_REAL, 0)
    select.select([], [s], [])
    expect(connect(s, name) == 0, "the connection was made meanwhile")
    expect(connect(s, name) == errno.EISCONN, "which is told once")
    result = connect_again(interrupted("refused.example"), "refused.example")
    expect(result == errno.ECONNREFUSED, f"refused: {result}")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 100000))
    expect(connect(s, name) == errno.EINPROGRESS, "SO_SNDTIMEO")
    result = connect(s, name)
    expect(result in (errno.EALREADY, 0), f"SO_SNDTIMEO, again: {result}")  # 0 if all of this took 2 s


if sys.argv[1] == "gateway":
    gateway(int(sys.argv[2]), float(sys.argv[3]))
else:
    globals()["check_" + sys.argv[1]](sys.argv[2])
