#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The measuring tools against each other: every mode of the load program through the limit program
# carries what it should, and a relay that changes an octet is found out.  Counted, not timed.
set -u
bench=${top_builddir:-$(cd "$(dirname "$0")/../.." && pwd)}/t/bench
# shellcheck disable=SC2155 # an empty folder ends the script in the next line
readonly folder=$(mktemp -d) || exit 1
[ -n "$folder" ] || exit 1
started=()
# shellcheck disable=SC2317 # called by the trap
clean_up() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
  wait
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP
failed=0

result() { # WHAT STATUS
  if [ "$2" = 0 ]; then echo "ok - $1"; else echo "not ok - $1"; failed=1; fi
}

# A SOCKS5 server that carries the client's octets and flips one bit of the 100th that comes back;
# it writes its port to the file that it is given.
cat >"$folder/liar.py" <<'END'
import os, socket, sys, threading

def carry(source, sink, lie):
    seen = 0
    while data := bytearray(source.recv(65536)):
        if lie and seen <= 100 < seen + len(data):
            data[100 - seen] ^= 1
        seen += len(data)
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)

def serve(client):
    client.recv(512)
    client.sendall(b"\5\0")
    request = client.recv(512)
    server = socket.create_connection((socket.inet_ntoa(request[4:8]), int.from_bytes(request[8:10], "big")))
    client.sendall(b"\5\0\0\1" + bytes(6))
    threading.Thread(target=carry, args=(client, server, False), daemon=True).start()
    carry(server, client, True)

listener = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
END

# Ports are tried until the limit program stays; it prints nothing when it listens.
for port in $(shuf -i 20000-29999 -n 20); do
  "$bench/limit" "$port" 2>/dev/null &
  limit=$!
  for _ in $(seq 50); do
    sleep 0.1
    kill -0 $limit 2>/dev/null || break
    "$bench/load" pingpong --gateway "127.0.0.1:$port" --warmup 0 --count 1 >/dev/null 2>&1 && break 2
  done
  kill $limit 2>/dev/null
  limit=
done
[ -n "$limit" ] || { echo "not ok - the limit program listens"; exit 1; }
started+=("$limit")

through() { # MODE [ARG...]
  "$bench/load" "$@" --gateway "127.0.0.1:$port" --pid "$limit" --seconds 0.3 --warmup 0.1 --json >"$folder/out" 2>&1
  local status=$?
  [ $status = 0 ] || cat "$folder/out"
  result "load $* through limit" $status
}
through connect --count 200
through connect --family 6 --count 200
through connect --rate 100 --count 10
through connect --name localhost --count 200
through bulk --relays 2 --direction both
through bulk --direction up --split
through idle --relays 50 --active 10
through pingpong --count 100
through soak --count 500
"$bench/load" udp --direct --relays 3 --seconds 0.3 --warmup 0 >"$folder/out" 2>&1
result "load udp --direct" $?

/usr/bin/python3 "$folder/liar.py" "$folder/port" 2>/dev/null &
started+=($!)
for _ in $(seq 100); do
  [ -s "$folder/port" ] && break
  sleep 0.1
done
for mode in "connect --octets 200" "bulk --relays 1"; do
  # shellcheck disable=SC2086 # a mode with its options
  "$bench/load" $mode --gateway "127.0.0.1:$(cat "$folder/port")" --seconds 0.3 --warmup 0 >"$folder/out" 2>&1
  [ $? = 1 ] && grep -q 'octets arrived that were not sent' "$folder/out"
  result "load $mode finds out a relay that changes an octet" $?
done
exit $failed
