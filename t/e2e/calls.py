#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run through socksify: calls of the C library that a program may make past the usual ones.

    calls.py CHECK [ARGUMENT...]     one of the checks below; ends with 0, or says what was wrong
"""
import ctypes
import errno
import locale
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.gai_strerror.restype = ctypes.c_char_p
AI_V4MAPPED, AI_ALL, AI_IDN = 0x8, 0x10, 0x40
EAI_BADFLAGS, EAI_NONAME, EAI_ADDRFAMILY, EAI_SERVICE, EAI_INPROGRESS, EAI_ALLDONE = -1, -2, -9, -8, -100, -103
EAI_AGAIN, EAI_INTR = -3, -104


def expect(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def equal(seen, wanted, what):
    expect(seen == wanted, f"{what}: {seen!r} in place of {wanted!r}")


class AddrInfo(ctypes.Structure):
    pass


AddrInfo._fields_ = [("flags", ctypes.c_int), ("family", ctypes.c_int), ("socktype", ctypes.c_int),
                     ("protocol", ctypes.c_int), ("length", ctypes.c_uint32), ("address", ctypes.c_void_p),
                     ("canonname", ctypes.c_char_p), ("next", ctypes.POINTER(AddrInfo))]


class GaiCb(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("service", ctypes.c_char_p), ("request", ctypes.POINTER(AddrInfo)),
                ("result", ctypes.POINTER(AddrInfo)), ("state", ctypes.c_int), ("unused", ctypes.c_int * 5)]


def gai_code(*arguments, **options):
    try:
        return socket.getaddrinfo(*arguments, **options)
    except socket.gaierror as error:
        return error.errno


def ipv4(address, port, family=socket.AF_INET):
    return struct.pack("=H", family) + struct.pack("!H4s8x", port, socket.inet_aton(address))


def send_to(fd, data, flags, address):
    sent = libc.sendto(fd, data, len(data), flags, address, len(address))
    return sent if sent >= 0 else -ctypes.get_errno()


# ---- names --------------------------------------------------------------------------------------

def check_hints(name):
    """getaddrinfo() as the C library does it, but for the addresses."""
    plain = socket.getaddrinfo(name, "http", socket.AF_INET)
    equal([(each[1], each[2], each[4][1]) for each in plain], [(1, 6, 80), (2, 17, 80)][:len(plain)], "socket types of http")
    equal([each[1:3] for each in socket.getaddrinfo(name, 7, socket.AF_INET)], [(1, 6), (2, 17), (3, 0)], "three types")
    fake = plain[0][4][0]
    equal(socket.getaddrinfo(name + ".", 80, socket.AF_INET, 1)[0][4][0], fake, "the same name, the same fake")
    equal(socket.getaddrinfo(name.upper(), 80, socket.AF_INET, 1)[0][4][0], fake, "in capitals too")
    equal(socket.getaddrinfo(name, 80, 0, 1, flags=socket.AI_CANONNAME)[0][3], name, "AI_CANONNAME")
    equal(gai_code(name, 80, flags=socket.AI_NUMERICHOST), EAI_NONAME, "AI_NUMERICHOST")
    equal(gai_code(name, "nosuchservice"), EAI_SERVICE, "an unknown service")
    equal(gai_code(name, "http", flags=socket.AI_NUMERICSERV), EAI_NONAME, "AI_NUMERICSERV")
    equal(gai_code(name, 80, flags=0x8000), EAI_BADFLAGS, "an unknown flag")
    equal(gai_code(None, 80, socket.AF_INET, 1, flags=socket.AI_PASSIVE)[0][4][0], "0.0.0.0", "AI_PASSIVE")
    for flags in (0, AI_V4MAPPED, AI_V4MAPPED | AI_ALL, socket.AI_ADDRCONFIG):
        found = socket.getaddrinfo(name, 80, socket.AF_INET6, 1, flags=flags)
        expect(len(found) == 1 and found[0][4][0].startswith("100::"), f"AF_INET6, flags {flags:#x}: {found}")
    equal(gai_code("198.51.100.2", 80, socket.AF_INET6, 1, flags=AI_V4MAPPED)[0][4][0], "::ffff:198.51.100.2",
          "a mapped literal")
    expect(gai_code("198.51.100.2", 80, socket.AF_INET6, 1)[0][4][0].startswith("100::"), "a literal of the other family")
    equal(gai_code("127.0.0.1", 80, socket.AF_INET6, 1), EAI_ADDRFAMILY, "the loopback of the other family")
    equal(gai_code(b"a" * 256, 80), EAI_NONAME, "a name of 256 octets")
    equal(libc.getaddrinfo(b"", b"80", None, ctypes.byref(ctypes.POINTER(AddrInfo)())), EAI_NONAME, "an empty name")
    equal(socket.getnameinfo((fake, 80), 0), (name, "http"), "getnameinfo")
    equal(socket.getnameinfo((fake, 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV), (fake, "80"), "NI_NUMERICHOST")
    equal(socket.gethostbyaddr("::ffff:" + fake)[0], name, "the name behind ::ffff:fake")


def check_other_scripts(_):
    """AI_IDN, AI_CANONIDN and NI_IDN: what goes to the Gateway is the name's ASCII form."""
    ai_canonidn, ni_idn, idn_encode = 0x80, 32, -105
    name, ascii_name = "b\u00fccher.only6.example", "xn--bcher-kva.only6.example"
    locale.setlocale(locale.LC_ALL, "C")
    equal(gai_code(name.encode(), 80, flags=AI_IDN), idn_encode, "a locale that has no such characters")
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    equal(gai_code(b"\xff.example", 80, flags=AI_IDN), idn_encode, "octets that are no text")
    found = gai_code(name.encode(), 80, socket.AF_INET, 1, flags=AI_IDN | socket.AI_CANONNAME)
    equal(found[0][3], ascii_name, "AI_CANONNAME")
    equal(gai_code(ascii_name, 80, socket.AF_INET, 1)[0][4], found[0][4], "one name, one fake")
    result = ctypes.POINTER(AddrInfo)()
    hints = AddrInfo(AI_IDN | ai_canonidn | socket.AI_CANONNAME, socket.AF_INET, 1)
    equal(libc.getaddrinfo(name.encode(), b"80", ctypes.byref(hints), ctypes.byref(result)), 0, "getaddrinfo")
    equal(result.contents.canonname.decode(), name, "AI_CANONIDN")
    equal(socket.getnameinfo(found[0][4], 0)[0], ascii_name, "getnameinfo")
    host = ctypes.create_string_buffer(256)
    equal(libc.getnameinfo(ipv4(found[0][4][0], 80), 16, host, 256, None, 0, ni_idn), 0, "NI_IDN")
    equal(host.value.decode(), name, "and the name")


def check_both_families(name):
    """A program that asks for any family gets both, and either leads to the name."""
    found = socket.getaddrinfo(name, 80, 0, socket.SOCK_STREAM)
    equal([each[0] for each in found], [socket.AF_INET, socket.AF_INET6], "the families")
    mapped = ("::ffff:" + found[0][4][0], 80)
    for family, address in [(each[0], each[4][:2]) for each in found] + [(socket.AF_INET6, mapped)]:
        with socket.socket(family) as s:
            s.settimeout(10)
            s.connect(address)
            equal(s.getpeername()[:2], address, "getpeername")
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            expect(s.recv(15).startswith(b"HTTP/1."), f"an answer from {address}")


def check_asynchronous(name):
    """getaddrinfo_a(): waited for, not waited for, with a signal and with gai_suspend()."""
    def requests(*names):
        cbs = [GaiCb(each.encode(), b"80") for each in names]
        return cbs, (ctypes.POINTER(GaiCb) * len(cbs))(*map(ctypes.pointer, cbs))

    def address(cb):
        return socket.inet_ntoa(ctypes.string_at(cb.result.contents.address + 4, 4))

    fake = socket.gethostbyname(name)
    cbs, array = requests(name, "a" * 300)
    equal(libc.getaddrinfo_a(0, array, 2, None), 0, "GAI_WAIT")
    equal(libc.gai_error(ctypes.byref(cbs[0])), 0, "gai_error")
    equal(address(cbs[0]), fake, "the same fake as getaddrinfo() gives")
    equal(libc.gai_error(ctypes.byref(cbs[1])), EAI_NONAME, "the error of one is its own")
    rung = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: rung.set())
    event = struct.pack("=QiiQ", 0, signal.SIGUSR1, 0, 0) + bytes(48)  # SIGEV_SIGNAL
    cbs, array = requests(name)
    equal(libc.getaddrinfo_a(1, array, 1, event), 0, "GAI_NOWAIT")
    while (code := libc.gai_suspend(array, 1, None)) == EAI_INTR:
        pass
    expect(code in (0, EAI_ALLDONE), f"gai_suspend: {code}")
    equal(libc.gai_error(ctypes.byref(cbs[0])), 0, "gai_error")
    equal(address(cbs[0]), fake, "the fake")
    # One that comes just before the wait is only heard of after it.
    expect(rung.wait(5) or rung.is_set(), "the signal")
    equal(libc.gai_suspend(array, 1, None), EAI_ALLDONE, "nothing is in progress")
    equal(libc.gai_cancel(ctypes.byref(cbs[0])), EAI_ALLDONE, "nothing is left to cancel")


def check_no_name_server(_):
    """Names that the C library would ask a name server for, past our getaddrinfo(), or by mistake."""
    answer = ctypes.create_string_buffer(512)
    expect(libc.res_querydomain(b"leak1", b"example", 1, 1, answer, 512) > 0, "res_querydomain")
    result = ctypes.POINTER(AddrInfo)()
    for name in (b"", b"192.0.2.9 leak2"):
        libc.getaddrinfo(name, b"80", None, ctypes.byref(result))
    for name in ("leak3.localhost", "localhost", os.uname().nodename):
        found = gai_code(name, 80, socket.AF_INET, 1)
        expect(not isinstance(found, int), f"{name}: {found}")
        if name.endswith("localhost"):
            equal(found[0][4][0], "127.0.0.1", name)


def check_own_resolver(wanted):
    """Port 53 of the loopback, for connections and datagrams."""
    for family, address in ((socket.AF_INET, "127.0.0.53"), (socket.AF_INET, "0.0.0.0"),
                            (socket.AF_INET6, "::ffff:127.0.0.53")):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(family, kind) as s:
                code = s.connect_ex((address, 53))
                expect((code == errno.ENETUNREACH) == (wanted == "refused"), f"{address}: {os.strerror(code)}")


def check_old_doors(address):
    """rexec(), rcmd() and names of networks, by which the C library itself would ask and connect."""
    for name in (address, "leak4.example"):
        host, errors = ctypes.c_char_p(name.encode()), ctypes.c_int(-1)
        for call, more in ((libc.rexec, ()), (libc.rexec_af, (socket.AF_INET,)), (libc.rcmd, ()), (libc.rcmd_af, (socket.AF_INET,))):
            ctypes.set_errno(0)
            equal(call(ctypes.byref(host), socket.htons(7), b"u", b"p", b"id", None, *more), -1, "rexec, rcmd")
            equal(ctypes.get_errno(), errno.EPERM, "its errno")
    result, error = ctypes.c_void_p(1), ctypes.c_int()
    entry, buffer = ctypes.create_string_buffer(64), ctypes.create_string_buffer(1024)
    libc.getnetbyname.restype = libc.getnetbyaddr.restype = ctypes.c_void_p
    equal(libc.getnetbyname(b"leak5.example"), None, "getnetbyname")
    equal(libc.getnetbyaddr(0x0a0909, socket.AF_INET), None, "getnetbyaddr")
    libc.getnetbyname_r(b"leak6.example", entry, buffer, 1024, ctypes.byref(result), ctypes.byref(error))
    equal((result.value, error.value), (None, 3), "getnetbyname_r")  # NO_RECOVERY
    libc.getnetbyaddr_r(0x0a0909, socket.AF_INET, entry, buffer, 1024, ctypes.byref(result), ctypes.byref(error))
    equal((result.value, error.value), (None, 3), "getnetbyaddr_r")


# ---- ways past the Gateway ----------------------------------------------------------------------

def check_datagrams_by_other_families(address):
    """The kernel takes AF_UNSPEC for AF_INET, and an IPv4 address on an IPv6 socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        expect(send_to(s.fileno(), b"unspec", 0, ipv4(address, 9, 0)) in (6, -errno.EAFNOSUPPORT), "AF_UNSPEC")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        expect(send_to(s.fileno(), b"ipv4", 0, ipv4(address, 9)) == 4, "an IPv4 address on an IPv6 socket")
        equal(libc.connect(s.fileno(), ipv4(address, 9), 16), 0, "connect() to an IPv4 address")
        s.send(b"connected")
        equal(s.getpeername()[:2], ("::ffff:" + address, 9), "getpeername")


def check_datagrams_after_exec(address):
    """A connected socket that is inherited still leads to its peer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, 7))
        os.set_inheritable(s.fileno(), True)
        program = (f"import socket; s = socket.socket(fileno={s.fileno()}); s.settimeout(5); s.send(b'inherited'); "
                   f"print(s.recv(99), s.getpeername())")
        said = subprocess.run([sys.executable, "-c", program], close_fds=False, capture_output=True, check=True, text=True)
        equal(said.stdout.strip(), f"b'inherited' ('{address}', 7)", "the echo")


def check_datagrams_by_another_peer(address):
    """connect() to a host of the program's own takes the place of one through the Gateway."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        own.bind(("127.0.0.1", 0))
        own.settimeout(5)
        s.bind(("0.0.0.0", 0))
        s.connect((address, 7))
        s.connect(own.getsockname())
        s.send(b"here")
        equal(own.recv(99), b"here", "what arrived")
        equal(s.getpeername(), own.getsockname(), "getpeername")


class MsgHdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("parts", ctypes.c_void_p),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_long), ("received", ctypes.c_uint)]  # the last is of an mmsghdr


def check_system_calls(address):
    """Datagrams by the numbers of the system calls (x86-64), on a socket and on its duplicates."""
    data, source, size = (ctypes.create_string_buffer(n) for n in (64, 16, 4))
    part = (ctypes.c_void_p * 2)(ctypes.addressof(data), 64)

    def call(number, *arguments):
        result = libc.syscall(number, *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments))
        expect(result >= 0, f"system call {number}: {os.strerror(ctypes.get_errno())}")
        return result

    def message():
        return ctypes.byref(MsgHdr(ctypes.addressof(source), 16, ctypes.addressof(part), 1))

    def recvfrom(fd):
        size.raw = struct.pack("=I", 16)
        return call(45, fd, data, 64, 0, source, size)

    def recvmmsg(fd):
        equal(call(299, fd, messages := message(), 1, 0, None), 1, "recvmmsg")
        return messages._obj.received

    receive = {"read": lambda fd: call(0, fd, data, 64), "readv": lambda fd: call(19, fd, part, 1),
               "recvfrom": recvfrom, "recvmsg": lambda fd: call(47, fd, message(), 0), "recvmmsg": recvmmsg}
    send = [lambda fd: call(1, fd, b"echo", 4), lambda fd: call(44, fd, b"echo", 4, 0, None, 0),
            lambda fd: call(20, fd, (ctypes.c_char_p * 2)(b"echo", 4), 1)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, 7))
        fd = s.fileno()
        spare = [os.dup(0), os.dup(0)]
        for each in (fd, call(32, fd), call(33, fd, spare[0]), call(292, fd, spare[1], 0), call(72, fd, 0, 10)):
            for turn, (name, way) in enumerate(receive.items()):
                ctypes.memset(source, 0, 16)
                send[turn % len(send)](each)
                got = way(each)
                equal(data.raw[:got], b"echo", f"what {name} got")
                if name.startswith("recv"):
                    equal(source.raw, ipv4(address, 7), f"whom {name} got it from")


def check_fast_open(name):
    """MSG_FASTOPEN and TCP_FASTOPEN_CONNECT, blocking and not, more than once (the second has a cookie)."""
    request = b"GET / HTTP/1.0\r\n\r\n"
    for each in range(3):
        with socket.socket() as s:
            s.settimeout(10)
            s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
            if each == 2:
                s.setblocking(False)
                expect(s.connect_ex((name, 80)) in (0, errno.EINPROGRESS), "connect")
                s.settimeout(10)
                select.select([], [s], [], 10)
            else:
                s.connect((name, 80))
            s.sendall(request)
            expect(s.recv(15).startswith(b"HTTP/1."), f"TCP_FASTOPEN_CONNECT, {each}")
        with socket.socket() as s:
            equal(send_to(s.fileno(), request, socket.MSG_FASTOPEN, ipv4(socket.gethostbyname(name), 80)), len(request),
                  "MSG_FASTOPEN")
            s.settimeout(10)
            expect(s.recv(15).startswith(b"HTTP/1."), "and the answer")


def check_environment(command):
    """system() and popen() run their shell with the environment as it is; the exec system call as it is asked."""
    for variable in list(os.environ):
        del os.environ[variable]
    libc.clearenv()
    libc.popen.restype = ctypes.c_void_p
    equal(libc.system(command.encode()), 0, "system")
    libc.clearenv()
    stream = libc.popen(command.encode(), b"r")
    equal(libc.pclose(ctypes.c_void_p(stream)), 0, "popen")
    if os.fork() == 0:
        arguments = (ctypes.c_char_p * 4)(b"sh", b"-c", command.encode(), None)
        libc.syscall(59, b"/bin/sh", arguments, (ctypes.c_char_p * 1)(None))
        os._exit(1)
    equal(os.wait()[1], 0, "syscall(SYS_execve)")


def spawn_with(path, opens, *steps, search=False):
    """posix_spawn() of a path, after actions that change the folder: to a path, or to a descriptor, which they
    open as well with `opens`."""
    actions, child = ctypes.create_string_buffer(256), ctypes.c_int()
    libc.posix_spawn_file_actions_init(actions)
    for step in steps:
        if isinstance(step, str):
            libc.posix_spawn_file_actions_addchdir_np(actions, step.encode())
            continue
        if opens:
            libc.posix_spawn_file_actions_addopen(actions, step, opens.encode(), os.O_RDONLY, 0)
        libc.posix_spawn_file_actions_addfchdir_np(actions, step)
    arguments = (ctypes.c_char_p * 2)(path.encode(), None)
    spawn = libc.posix_spawnp if search else libc.posix_spawn
    error = spawn(ctypes.byref(child), path.encode(), actions, None, arguments, (ctypes.c_char_p * 1)(None))
    libc.posix_spawn_file_actions_destroy(actions)
    if error != 0:
        raise OSError(error, os.strerror(error))
    equal(os.waitpid(child.value, 0)[1], 0, f"the exit of {path}")


def spawns_elsewhere(program):
    folder, name = os.path.split(program)
    upper, lower = os.path.split(folder)
    there = os.open(folder, os.O_RDONLY)
    return (lambda: spawn_with(name, None, folder), lambda: spawn_with("./" + name, None, upper, lower),
            lambda: spawn_with("./" + name, None, folder, search=True), lambda: spawn_with(name, None, there),
            lambda: spawn_with(name, folder, 987), lambda: spawn_with("./" + name, folder, 987, search=True))


def check_spawn_elsewhere(program):
    """What can be socksified is run in another folder as the C library would."""
    for run in spawns_elsewhere(program)[:-2]:
        run()
    for name, folder in (("nothing", "/"), (os.path.basename(program), "/nowhere")):
        try:
            spawn_with(name, None, folder)
        except FileNotFoundError:
            continue
        sys.exit(f"{name} was found in {folder}")


def check_unprotected(program):
    """What can't be socksified is not run by a socksified program either, in whatever way."""
    def execute():
        child = os.fork()
        if child == 0:
            try:
                os.execv(program, [program])
            except PermissionError:
                os._exit(42)
            finally:
                os._exit(1)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42:
            raise PermissionError

    for run in (execute, lambda: os.posix_spawn(program, [program], {}),
                lambda: subprocess.run([program], check=False), *spawns_elsewhere(program)):
        try:
            run()
        except (PermissionError, FileNotFoundError):
            continue
        sys.exit(f"{program} was run")


def check_listener(name):
    """One on any address is an ordinary one, whatever connections there are; here the Gateway is of the other
    family."""
    with socket.create_connection((name, 7), 10) as connection, socket.socket() as listener, socket.socket() as own:
        equal(connection.getsockname()[0], "0.0.0.0", "the connection's own address")
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        address, port = listener.getsockname()
        equal(address, "0.0.0.0", "the listener's address")
        own.settimeout(10)
        own.connect(("127.0.0.1", port))
        with listener.accept()[0] as accepted:
            equal(accepted.getpeername(), own.getsockname(), "who came")


def check_other_root(root):
    """In a root folder without the Socks Lib nothing is run, in whatever way."""
    os.chroot(root)
    os.chdir("/")
    libc.popen.restype = ctypes.c_void_p
    shell = ["/bin/sh", "-c", "exit 9"]  # what would take this one's place
    expect(libc.system(b"exit 0") != 0, "system")
    expect(libc.popen(b"exit 0", b"r") is None, "popen")
    words = ctypes.create_string_buffer(64)
    equal(libc.wordexp(b"some words", words, 0), 0, "wordexp")
    equal(libc.wordexp(b"$(echo 0)", words, 0), 4, "wordexp of a command")  # WRDE_CMDSUB
    for run in (os.execv, os.execvp, lambda path, arguments: os.posix_spawn(path, arguments, {}),
                lambda path, arguments: os.execve(os.open(path, os.O_RDONLY), arguments, {})):
        try:
            run("/bin/sh", shell)
        except (PermissionError, FileNotFoundError):
            continue
        sys.exit("a shell was run")


def check_segments(address):
    """Several datagrams in one message would leave all but the first without a header."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for option in (103, 104):  # UDP_SEGMENT, UDP_GRO
            value = ctypes.c_int(100)
            equal(libc.setsockopt(s.fileno(), 17, option, ctypes.byref(value), 4), -1, f"option {option}")
            equal(ctypes.get_errno(), errno.ENOPROTOOPT, f"option {option}")
        try:
            s.sendmsg([bytes(200)], [(17, 103, struct.pack("=H", 100))], 0, (address, 9))
            sys.exit("a message in segments was sent")
        except OSError as error:
            equal(error.errno, errno.EINVAL, "a message in segments")
        s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        begun = time.monotonic()
        try:
            s.recvmsg(10, 100, 0x2000)  # MSG_ERRQUEUE
            sys.exit("an error was there")
        except BlockingIOError:
            expect(time.monotonic() - begun < 1, "the queue of errors is never waited for")


globals()["check_" + sys.argv[1]](*sys.argv[2:])
