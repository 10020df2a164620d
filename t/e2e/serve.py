#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The servers of the end-to-end tests, in one process per host.

    serve.py [--root FOLDER] SERVICE:PORT...

Each service listens on both families and writes one line per connection to standard output:
"SERVICE PEER-ADDRESS WHAT", in one piece.  The services:

  web     files under FOLDER; / tells who asked; PUT and POST answer with the SHA-256 of what came; /random/N sends N octets whose
          SHA-256 is /random/N.sha256; /slow/N sends N lines, one each 100 ms; /git/ is git http-backend
  echo    sends back what it gets, and ends when the client has ended
  sink    reads to the client's end, and only then answers: "N octets, SHA-256 HASH"
  early   greets, ends its half, and writes down how much came after that
  reset   reads a little and breaks off with a reset
  telnet  greets, answers one line, and ends
  dns     the leak detector: UDP and TCP; writes down each name it is asked for and answers "refused"
  sick    the same, but it answers "server failure"
  mute    the same, but it never answers
  packets no server: writes down "packets DESTINATION PROTOCOL PORT" for every packet that leaves this host for any
          port but the given one (loopback, and neighbour discovery, do not count)
"""
import hashlib
import http.server
import os
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time

root = "."


def log(service, peer, what=""):
    address = peer[0].removeprefix("::ffff:")
    os.write(1, f"{service} {address} {what}\n".encode())


def random_chunks(size):
    """The same octets for the same size, in pieces; they do not compress and do not repeat within 1 MiB."""
    block = hashlib.shake_256(b"crossgate").digest(1 << 20)
    while size > 0:
        yield block[:size]
        size -= min(size, len(block))


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            chunk = self.rfile.read(min(left, 1 << 16))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk

    def do_GET(self):
        log("web", self.client_address, self.path)
        part = self.path.split("/")
        if self.path.startswith("/git/"):
            self.git()
        elif part[1] == "random" and part[2].endswith(".sha256"):
            whole = hashlib.sha256()
            for chunk in random_chunks(int(part[2].removesuffix(".sha256"))):
                whole.update(chunk)
            self.answer(whole.hexdigest().encode())
        elif part[1] == "random":
            self.send_response(200)
            self.send_header("Content-Length", part[2])
            self.end_headers()
            for chunk in random_chunks(int(part[2])):
                self.wfile.write(chunk)
        elif part[1] == "slow":
            self.send_response(200)
            self.send_header("Content-Length", str(int(part[2]) * 5))
            self.end_headers()
            for line in range(int(part[2])):
                self.wfile.write(b"%04d\n" % line)
                time.sleep(0.1)
        elif self.path == "/":
            peer = self.client_address[0].removeprefix("::ffff:")
            self.answer(f"Hello! This is the web server; your connection came from {peer}.\n".encode())
        else:
            try:
                with open(os.path.join(root, os.path.basename(self.path)), "rb") as file:
                    self.answer(file.read())
            except OSError:
                self.answer(b"no such file\n", 404)

    def do_POST(self):
        log("web", self.client_address, self.path)
        if self.path.startswith("/git/"):
            self.git()
            return
        whole = hashlib.sha256()
        for chunk in self.body():
            whole.update(chunk)
        self.answer(whole.hexdigest().encode())

    do_PUT = do_POST

    def git(self):
        path, _, query = self.path.partition("?")
        environment = dict(
            os.environ, GIT_PROJECT_ROOT=root + "/git", GIT_HTTP_EXPORT_ALL="1", REQUEST_METHOD=self.command,
            PATH_INFO=path.removeprefix("/git"), QUERY_STRING=query, REMOTE_ADDR=self.client_address[0],
            CONTENT_TYPE=self.headers.get("Content-Type", ""), REMOTE_USER="e2e",
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            HTTP_GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        done = subprocess.run(["git", "http-backend"], input=b"".join(self.body()), env=environment,
                              stdout=subprocess.PIPE, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Stream(socketserver.BaseRequestHandler):
    name = ""

    def handle(self):
        log(self.name, self.client_address)
        try:
            self.talk()
        except OSError as error:
            log(self.name, self.client_address, str(error))

    def pieces(self):
        while piece := self.request.recv(1 << 16):
            yield piece


class Echo(Stream):
    name = "echo"

    def talk(self):
        for piece in self.pieces():
            self.request.sendall(piece)


class Sink(Stream):
    name = "sink"

    def talk(self):
        whole, size = hashlib.sha256(), 0
        for piece in self.pieces():
            whole.update(piece)
            size += len(piece)
        self.request.sendall(b"%d octets, SHA-256 %s\n" % (size, whole.hexdigest().encode()))


class Early(Stream):
    name = "early"

    def talk(self):
        self.request.sendall(b"that is all\n")
        self.request.shutdown(socket.SHUT_WR)
        log("early", self.client_address, sum(map(len, self.pieces())))


class Reset(Stream):
    name = "reset"

    def talk(self):
        self.request.recv(1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


class Telnet(Stream):
    name = "telnet"

    def talk(self):
        self.request.sendall(b"who are you?\r\n")
        line = self.request.makefile("rb").readline().strip()
        self.request.sendall(b"welcome, " + line + b"\r\n")


def question(packet):
    """The name that a DNS query asks for."""
    at, labels = 12, []
    while at < len(packet) and packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin1"))
        at += 1 + packet[at]
    return ".".join(labels)


class Dns:
    name = "dns"
    status = 5  # refused

    def answer(self, packet):
        log(self.name, self.client_address, question(packet))
        return packet[:2] + struct.pack(">H", 0x8000 | self.status) + packet[4:6] + bytes(6) + packet[12:]


class DnsUdp(Dns, socketserver.BaseRequestHandler):
    def handle(self):
        packet, reply = self.request
        reply.sendto(self.answer(packet), self.client_address)


class DnsTcp(Dns, Stream):
    def talk(self):
        packet = self.request.makefile("rb").read(2)
        packet = self.request.recv(struct.unpack(">H", packet)[0])
        answer = self.answer(packet)
        self.request.sendall(struct.pack(">H", len(answer)) + answer)


class Sick(DnsUdp):
    name = "sick"
    status = 2


class Mute(DnsUdp):
    name = "mute"

    def handle(self):
        self.answer(self.request[0])


def dual_stack(base, datagrams=False):
    class Server(base):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 1024
        # A host without IPv6 addresses still has the sockets; one without the protocol has not.
        address_family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET

        def server_bind(self):
            if self.address_family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            socketserver.TCPServer.server_bind(self)

        def handle_error(self, request, client_address):
            error = sys.exc_info()[1]
            if not isinstance(error, ConnectionError):
                socketserver.BaseServer.handle_error(self, request, client_address)

    return Server


def watch_packets(allowed_port):
    outgoing, icmpv6, every_protocol = 4, 58, 3
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(every_protocol)) as wire:
        log("packets", ("watching",))
        while True:
            packet, (interface, protocol, kind, *_) = wire.recvfrom(256)
            if interface == "lo" or kind != outgoing:
                continue
            if protocol == 0x0800:
                destination, what, ports = packet[16:20], packet[9], packet[4 * (packet[0] & 15):]
            elif protocol == 0x86dd:
                destination, what, ports = packet[24:40], packet[6], packet[40:]
            else:
                continue
            # Hop-by-hop options (0) are multicast listener reports.
            if protocol == 0x86dd and what in (0, icmpv6):
                continue
            port = struct.unpack(">H", ports[2:4])[0]
            if port != allowed_port:
                family = socket.AF_INET if len(destination) == 4 else socket.AF_INET6
                log("packets", (socket.inet_ntop(family, destination),), f"{what} {port}")


TCP = dual_stack(socketserver.ThreadingTCPServer)
UDP = dual_stack(socketserver.ThreadingUDPServer)
SERVICES = {"web": [(TCP, Web)], "echo": [(TCP, Echo)], "sink": [(TCP, Sink)], "early": [(TCP, Early)],
            "reset": [(TCP, Reset)], "telnet": [(TCP, Telnet)],
            "dns": [(UDP, DnsUdp), (TCP, DnsTcp)], "sick": [(UDP, Sick)], "mute": [(UDP, Mute)]}


def main(arguments):
    global root
    if arguments[0] == "--root":
        root = arguments[1]
        arguments = arguments[2:]
    for argument in arguments:
        service, port = argument.split(":")
        if service == "packets":
            threading.Thread(target=watch_packets, args=(int(port),)).start()
            continue
        for server, handler in SERVICES[service]:
            threading.Thread(target=server(("", int(port)), handler).serve_forever).start()


main(sys.argv[1:])
