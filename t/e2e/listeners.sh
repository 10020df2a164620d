#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Listeners whose address is not there yet, and listeners on interfaces; what a service manager hears meanwhile, and
# sockets that it hands over.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq ss ip python3
topology
start_services server6

program=$work/crossgate
cp "$crossgate" "$program"
crossgate=$program
conf=$work/gateway.conf
log=$work/gateway.log
notes=$work/notes.log
rest='[access]
rule = permit from *
[workers]
start = 2
drain = 2'
fetch() { # ADDRESS: through the listener there, from the gateway's own host
  on gateway curl -s -o "$work/page" -m 8 --socks5-hostname "$1" http://only6.example/
}
listening() { [ -n "$(on gateway ss -H -n -l -t src "$1")" ]; }
silent() { ! listening "$1"; }

# ---- a socket of a service manager's -----------------------------------------------------------------
cat >"$work/notes.py" <<'END_OF_NOTES'
import socket, sys
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(sys.argv[1])
while True:
    words = heard.recv(4096).decode().rstrip("\n").split("\n")
    print(" ".join(words), flush=True)
END_OF_NOTES
python3 "$work/notes.py" "$work/notify" >"$notes" &
notes_pid=$!
disown $notes_pid
wait_until 5 test -S "$work/notify"

# ---- addresses that come and go ----------------------------------------------------------------------
on gateway ip link add cg0 type veth peer name cg1
on gateway ip link set cg1 up
on gateway ip link set cg0 up
printf '[listen]\nsocks = 0.0.0.0:1080\nsocks = 203.0.113.9:1090\nsocks = cg0:1091\nsocks = absent0:1092\n%s\n' \
  "$rest" >"$conf"
export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=600000
launch_gateway gateway
unset NOTIFY_SOCKET WATCHDOG_USEC
first=${gateway_pid[gateway]}
check "the listener that can be bound serves" fetch 127.0.0.1:1080
matches "one whose address is not there waits" 'event="listener waits" address=203.0.113.9:1090' "$log"
matches "one whose interface is not there too" 'event="listener waits" address=absent0:1092' "$log"
on gateway ip address add 203.0.113.9/24 dev cg0
check "the address comes: it serves" wait_until 5 fetch 203.0.113.9:1090
check "so does the interface's listener" wait_until 5 fetch 203.0.113.9:1091
on gateway ip address add 2001:db8:9::9/64 dev cg0 nodad
check "for an IPv6 address too" wait_until 5 fetch '[2001:db8:9::9]:1091'
on gateway ip address del 203.0.113.9/24 dev cg0
check "the address goes: the listener closes" wait_until 5 silent 203.0.113.9:1091
matches "and the log says why" 'event="listener closed" address=203.0.113.9:1091' "$log"
check "the other address of the interface serves" fetch '[2001:db8:9::9]:1091'
on gateway ip link add absent0 type veth peer name absent1
on gateway ip address add 198.18.0.9/24 dev absent0
on gateway ip link set absent1 up
on gateway ip link set absent0 up
check "an interface that comes is served" wait_until 5 fetch 198.18.0.9:1092

# ---- what was told -------------------------------------------------------------------------------------
matches "READY at the start" '^READY=1' "$notes"
matches "STATUS in words" '^STATUS=[0-9]+ relays, [0-9]+ listeners' "$notes"
beats() { [ "$(grep -c '^WATCHDOG=1' "$notes")" -ge 3 ]; }
check "WATCHDOG again and again" wait_until 5 beats
kill -HUP "$first"
matches "RELOADING with its time" '^RELOADING=1 MONOTONIC_USEC=[0-9]+' "$notes"
ready_again() { sed '1,/^RELOADING/d' "$notes" | grep -q '^READY=1'; }
check "and READY after it" wait_until 5 ready_again

# An upgrade that fails.
mv "$program" "$program.good"
lines=$(wc -l <"$notes")
kill -USR2 "$first"
matches "an upgrade that fails" 'event="upgrade failed' "$log"
since() { sed "1,${lines}d" "$notes" | grep -v -e STATUS -e WATCHDOG | cut -d ' ' -f 1 | tr '\n' ' '; }
ready_still() { [ "$(since)" = "RELOADING=1 READY=1 " ]; }
check "is told as a reload of the same master" wait_until 5 ready_still
mv "$program.good" "$program"

# The new master has been given the sockets there were; an address that comes before it looks at the addresses itself
# is its business.
mv "$program" "$program.slow"
printf '#!/bin/sh\ntouch %s/starting\nsleep 1\nexec %s "$@"\n' "$work" "$program.slow" >"$program"
chmod +x "$program"
kill -USR2 "$first"
check "an upgrade that takes its time" wait_until 5 test -e "$work/starting"
on gateway ip address add 203.0.113.9/24 dev cg0
matches "MAINPID names the new master after an upgrade" '^MAINPID=[0-9]+ READY=1' "$notes"
second=$(sed -n 's/^MAINPID=\([0-9]*\).*/\1/p' "$notes")
check "serves an address that came meanwhile" wait_until 5 fetch 203.0.113.9:1090
wait_until 5 gone "$first"
lines=$(wc -l <"$notes")
beats_on() { sed "1,${lines}d" "$notes" | grep -q '^WATCHDOG=1'; }
check "whose heart beats on" wait_until 5 beats_on
kill -TERM "$second"
matches "STOPPING at the end, and how long that may take: the drain and ten seconds" \
  '^STOPPING=1 EXTEND_TIMEOUT_USEC=12000000$' "$notes"
check "the end" wait_until 5 gone "$second"
kill "$notes_pid"

# ---- sockets handed over ------------------------------------------------------------------------------
printf '[listen]\nsocks = 127.0.0.1:1080\n%s\n' "$rest" >"$conf"
if have "socket activation" systemd-socket-activate; then
  become gateway systemd-socket-activate --listen=127.0.0.1:1080 "$crossgate" --foreground -f "$conf" \
    >"$work/activated.log" 2>&1 </dev/null &
  activated=$!
  disown $activated
  wait_until 5 listening 127.0.0.1:1080
  check "socket activation: the first client is served" fetch 127.0.0.1:1080
  check "by the socket that was handed over" \
    test "$(grep -c 'not among the sockets' "$work/activated.log")" = 0
  matches "which the log names" 'event=listening address=127.0.0.1:1080' "$work/activated.log"
  kill -INT "$activated"
  check "it ends" wait_until 5 gone "$activated"
fi

# Descriptors from 3 on: a listener on each port that is named, then a UDP socket and a pipe; and what the environment
# says of them.  The process keeps its number when it becomes the program.
cat >"$work/hand.py" <<'END_OF_HAND'
import os, socket, sys
pid, count, ports, *command = sys.argv[1:]
given = [socket.create_server(("127.0.0.1", int(port))) for port in ports.split(",")]
given += [socket.socket(socket.AF_INET, socket.SOCK_DGRAM), os.fdopen(os.pipe()[0])]
# Out of the way first: none may be where another goes.
for place, fd in enumerate([os.dup2(each.fileno(), 100 + i) for i, each in enumerate(given)], 3):
    os.dup2(fd, place)
os.closerange(3 + len(given), 2000)
os.environ.update(LISTEN_PID=str(os.getpid()) if pid == "own" else pid, LISTEN_FDS=count, LISTEN_FDNAMES="a:b")
os.execv(command[0], command)
END_OF_HAND
hand() { # LOG LISTEN_PID LISTEN_FDS PORT[,PORT...]: starts a Gateway with them
  become gateway "$python" "$work/hand.py" "${@:2}" "$crossgate" --foreground -f "$conf" >"$work/$1.log" 2>&1 </dev/null &
  handed=$!
  disown $handed
  wait_until 5 grep -q 'event=listening address=127.0.0.1:1080' "$work/$1.log"
}
end_handed() {
  kill -INT "$handed"
  wait_until 5 gone "$handed"
}
strangers() { grep -c 'event="socket handed over for no listener"' "$work/$1.log"; }

# As many as there can't be.
hand many own 99999999 1081,1080
check "sockets handed over in any order: it serves" fetch 127.0.0.1:1080
matches "one that is not configured is in the log" 'handed over for no listener" socket=127.0.0.1:1081$' "$work/many.log"
matches "so is a UDP socket" 'no listener" socket="descriptor 5, which is no listening TCP socket"' "$work/many.log"
matches "and a pipe" 'no listener" socket="descriptor 6, which is no listening TCP socket"' "$work/many.log"
equal "and nothing else" 3 "$(strangers many)"
check "they are closed" silent 127.0.0.1:1081
end_handed
hand few own 1 1081,1082
equal "no more are taken than the number says" 1 "$(strangers few)"
matches "the listener is opened then" 'event="not among the sockets handed over" address=127.0.0.1:1080' "$work/few.log"
end_handed
for count in -3 words ""; do
  hand "number$count" own "$count" 1081
  equal "LISTEN_FDS is '$count': none is taken" 0 "$(strangers "number$count")"
  end_handed
done
hand foreign 1 4 1081,1082
equal "LISTEN_PID of another process: none is taken" 0 "$(strangers foreign)"
check "it serves all the same" fetch 127.0.0.1:1080
end_handed
check "nothing is left" wait_until 5 nothing_left
finish
