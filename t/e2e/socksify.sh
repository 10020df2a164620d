#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The Socks Lib: what a program sees of its sockets, while the Gateway takes 2 s and under load; what the library
# exports and needs; what is refused.
# shellcheck source=t/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
isolate "$@"
need nm readelf
host client ipv4
host alone ipv4
# What the client reaches by itself, past every gateway.
link client 192.0.2.1/24 alone 192.0.2.9/24
service alone "$work/alone.log" "$python" "$e2e/serve.py" echo:80
wait_listening alone 80 "the server that is reached directly"
start_packet_watch client
loops=$e2e/loops.py
library=$top_builddir/socksify/.libs/libsocksify.so

service client "$work/slow.log" "$python" "$loops" gateway 1080 2
service client "$work/quick.log" "$python" "$loops" gateway 1081 0
wait_listening client 1080 "the slow gateway"
wait_listening client 1081 "the quick gateway"

slowly() { on client env SOCKS5_SERVER=127.0.0.1:1080 timeout 60 "$socksify" "$@"; }
quickly() { on client env SOCKS5_SERVER=127.0.0.1:1081 timeout 120 "$socksify" "$@"; }

check "an event loop ticks while the gateway takes 2 s" slowly "$python" "$loops" ticks echo.example
check "a non-blocking connect is pending: EINPROGRESS, EALREADY, silence, EISCONN" \
  slowly "$python" "$loops" pending echo.example
check "edge-triggered epoll, registered before, fires once" slowly "$python" "$loops" edge echo.example
check "a socket is added to epoll sets, changed and taken away while it is connected" \
  quickly "$python" "$loops" registered_meanwhile echo.example
check "a child of _Fork() connects beside its parent" slowly "$python" "$loops" forked echo.example
check "poll wakes" slowly "$python" "$loops" poll_asleep echo.example
check "select counts in microseconds as the kernel does" slowly "$python" "$loops" microseconds echo.example
check "a signal ends the wait and the connection goes on; SO_SNDTIMEO" slowly "$python" "$loops" alarm echo.example
check "connect() again after a signal waits as the first did" slowly "$python" "$loops" interrupted echo.example
check "the true errors, blocking and not" quickly "$python" "$loops" errors -
check "options, flags and names are kept over dup, fork and exec" quickly "$python" "$loops" kept echo.example
check "res_query and its kin" quickly "$python" "$loops" resolver echo.example
check "a thread that is cancelled in a call ends, and nothing else does" \
  on client env SOCKS5_SERVER=127.0.0.1:1080 timeout 300 "$socksify" "$top_builddir/t/e2e/cancelled"
echo "gateway = 127.0.0.1:1081" >"$XDG_CONFIG_HOME/socksify.conf"
check "a child without HOME has the config of the tree all the same" \
  on client timeout 20 "$socksify" env -i "$python" "$loops" kept echo.example
rm "$XDG_CONFIG_HOME/socksify.conf"
check "64 threads, 6,400 connections, 10,000 names; forks, vforks and spawns between them" \
  quickly "$top_builddir/t/e2e/storm" 64 100 10000

# ---- fail closed --------------------------------------------------------------------------------

# The client can do each of these by itself, as is shown below.
connection='exec 3<>/dev/tcp/192.0.2.9/80'
datagram='import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.9", 9))'
down() { on client env SOCKS5_SERVER=127.0.0.1:9 timeout 20 "$socksify" "$@"; }
refute "a gateway that is down" down bash -c "$connection"
refute "a datagram when the gateway can't carry it" quickly "$python" -c "$datagram"
echo "gateway = 127.0.0.1:1081
colour = blue" >"$work/bad.conf"
refute "a broken config starts nothing" on client "$socksify" -c "$work/bad.conf" true
check "the config's error names file, line and key" answers "bad.conf:2: colour" \
  bash -c '! SOCKSIFY_CONF=$0 "$1" true' "$work/bad.conf" "$socksify"
preloaded() { on client env LD_PRELOAD="$library" SOCKSIFY_CONF="$work/bad.conf" "$@"; }
refute "nor does the library connect with it" preloaded bash -c "$connection"
refute "or send a datagram" preloaded "$python" -c "$datagram"
check "without socksify the datagram is sent" on client "$python" -c "$datagram"
check "and the connection made" on client bash -c "$connection"
matches "which is seen on the wire" "packets 192.0.2.9 6 80" "$work/client.packets.log"
equal "after that one datagram, and nothing else of all before" "packets 192.0.2.9 17 9" \
  "$(sed '/watching/d; / 6 80$/,$d' "$work/client.packets.log")"
only_without() { # WHAT COMMAND [ARG...]: refused, where the kernel grants it to a program without socksify
  if on client "${@:2}" 2>/dev/null; then refute "$1" quickly "${@:2}"; else skip "$1" "kernel grants it to nobody here"; fi
}
only_without "a raw socket" \
  "$python" -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)'
only_without "io_uring" "$python" -c '
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
sys.exit(0 if libc.syscall(425, 8, ctypes.create_string_buffer(120)) >= 0 else 1)'

# ---- the script ---------------------------------------------------------------------------------

quickly sh -c 'exit 43'
equal "the exit code" 43 $?
quickly sh -c 'kill -9 $$' 2>/dev/null
equal "death by a signal" 137 $?
equal "any argument" "a b|*|" "$(quickly printf '%s|' 'a b' '*')"
mkdir -p "$work/bin" && ln -s "$socksify" "$work/bin/rprintf"
equal "a wrapper" "x" "$(on client env SOCKS5_SERVER=127.0.0.1:1081 "$work/bin/rprintf" x)"
if ldconfig=$(PATH=$PATH:/sbin command -v ldconfig) && ! readelf -l "$ldconfig" | grep -q INTERP; then
  check "a static program is named as such" answers "statically linked" bash -c '! "$@"' - \
    env SOCKS5_SERVER=127.0.0.1:1081 "$socksify" "$ldconfig" -p
fi
memory=$("$socksify" -g 127.0.0.1:1081 printenv SOCKSIFY_TABLE)
gone() { [ -n "$memory" ] && [ ! -e "$memory" ]; }
check "the shared memory goes with the tree" wait_until 15 gone

# ---- the library --------------------------------------------------------------------------------

equal "it needs libc alone" "libc.so.6" \
  "$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\].*/\1/p' | grep -v '^ld-linux' | sort | paste -sd' ')"
equal "it exports the functions it stands in for, and no others" \
  "$(sed -n '/global:/,/local:/{/:/d;p}' "$top_srcdir/socksify/libsocksify.map" | tr -d ' ' | tr ';' '\n' | grep . | sort | paste -sd' ')" \
  "$(nm -D --defined-only "$library" | awk '{print $3}' | sort | paste -sd' ')"
finish
