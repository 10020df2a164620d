#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Happy Eyeballs (RFC 8305): a family that is dead costs no more than the connection attempt delay, whichever it is
# and whatever is preferred; a client that leaves while the Gateway resolves or dials ends that work at once.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq
topology
start_services server4
start_services server6

start_gateway gateway <<END
[access]
rule = permit from *
[timeout]
connect = 20
END

# Milliseconds until the first octet of the answer; the best of some, because the machine may be busy.
best_ms() { # NAME
  local seconds
  for _ in 1 2 3 4 5; do
    seconds=$(on client4 curl -s -o /dev/null -m 15 -w '%{time_starttransfer}' \
      --socks5-hostname 192.0.2.1:1080 "http://$1/server4.txt") || continue
    echo "$seconds"
  done | sort -n | awk 'NR == 1 { printf "%d", $1 * 1000 }'
}

reached() { # the address that the last relay reached
  sed -n 's/.*relay=.* address=\([^ ]*\) .*/\1/p' "$work/gateway.log" | tail -n 1
}

within "both families alive: no delay" 0 200 "$(best_ms both.example)"
equal "IPv6 was taken" "[2001:db8:d::2]:80" "$(reached)"

# An address that nobody answers for: the connection attempt is silent for seconds.
on server6 ip address del 2001:db8:d::2/64 dev eth4
within "IPv6 dead: the delay of one attempt" 240 700 "$(best_ms both.example)"
equal "IPv4 was taken" "198.51.100.2:80" "$(reached)"

# A client that leaves ends the attempt, long before the connect timeout.
on client4 curl -s -m 0.5 --socks5-hostname 192.0.2.1:1080 http://only6.example/ >/dev/null
matches "a client that leaves while we dial ends that at once" \
  'to=only6.example:80 .*result=peer-gone .*seconds=0\.[0-9]+' "$work/gateway.log"

on server6 ip address add 2001:db8:d::2/64 dev eth4 nodad
stop_gateway gateway

# The name server answers nothing at all.
start_gateway gateway --resolver.nameserver=198.51.100.250 <<END
[access]
rule = permit from *
END
on client4 curl -s -m 0.5 --socks5-hostname 192.0.2.1:1080 http://both.example/ >/dev/null
matches "a client that leaves while we resolve ends that at once" \
  'to=both.example:80 .*result=peer-gone .*seconds=0\.[0-9]+' "$work/gateway.log"
stop_gateway gateway

# IPv4 preferred, and dead.
start_gateway gateway --resolver.prefer=ipv4 <<END
[access]
rule = permit from *
END
within "IPv4 preferred and alive: no delay" 0 200 "$(best_ms both.example)"
equal "IPv4 was taken because it is preferred" "198.51.100.2:80" "$(reached)"
on server4 ip address del 198.51.100.2/24 dev eth3
within "IPv4 preferred and dead: the delay of one attempt" 240 700 "$(best_ms both.example)"
equal "IPv6 was taken then" "[2001:db8:d::2]:80" "$(reached)"
stop_gateway gateway

# An AAAA record that holds an IPv4-mapped address stands for the IPv4 address.
on server4 ip address add 198.51.100.2/24 dev eth3
add_address gateway 198.51.100.9/24 eth3
name_server gateway "$work/mapped.log" 5353 --listen-address=127.0.0.1 --bind-interfaces \
  --host-record=mapped.example,::ffff:198.51.100.2
mapped() { # OPTION
  start_gateway gateway --resolver.nameserver=127.0.0.1:5353 "$1" <<<$'[access]\nrule = permit from *'
}
mapped --external.address=198.51.100.9
check "IPv4 behind an AAAA record: from the external address for IPv4" answers "came from 198.51.100.9." \
  on client4 curl -sS -m 10 --socks5-hostname 192.0.2.1:1080 http://mapped.example/
stop_gateway gateway
mapped --resolver.prefer=ipv6-only
on client4 curl -sS -m 10 --socks5-hostname 192.0.2.1:1080 http://mapped.example/ >/dev/null 2>&1
matches "and no address where only IPv6 is wanted" 'to=mapped.example:80 .*result=no-such-name' "$work/gateway.log"
stop_gateway gateway

# A peer that accepts and resets before the worker has looked: its SYN is answered, late, while the worker stands.
start_gateway gateway <<<$'[access]\nrule = permit from *'
service server4 "$work/resets.log" "$python" -c 'import socket, struct
one, _ = socket.create_server(("", 4711)).accept()
one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
one.close()'
wait_listening server4 4711 "the server that resets"
on server4 ip route add blackhole 198.51.100.1
on client4 curl -sS -m 15 --socks5-hostname 192.0.2.1:1080 http://198.51.100.2:4711/ >"$work/curl.log" 2>&1 &
dialling() {
  worker=$(on gateway ss -H -tnp state syn-sent | sed -n 's/.*pid=\([0-9]*\).*/\1/p')
  [ -n "$worker" ]
}
wait_until 5 dialling || bail "the Gateway does not dial"
kill -STOP "$worker"
on server4 ip route del blackhole 198.51.100.1
was_reset() { [ -z "$(on gateway ss -H -tn "dst 198.51.100.2")" ]; }
wait_until 10 was_reset || bail "the server did not reset the connection"
kill -CONT "$worker"
matches "a connection that is reset at once is refused, and the client is told" 'SOCKS5 connection.*\(5\)' "$work/curl.log"
finish
