#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# BIND (RFC 1928, section 4): between the families, with the peer that is expected, with another, with none.
. "$(dirname "$0")/lib.sh"
isolate "$@"
topology

case_() { # WHAT CASE [ARG...]
  check "$1" env HOSTS="$(host_list)" "$python" "$e2e/bind.py" "${@:2}"
}

start_gateway gateway <<END
[resolver]
nameserver = 127.0.0.1
[access]
rule = deny command bind user socks4:mallory
rule = permit to 0.0.0.0,[::] from 192.0.2.0/24,[2001:db8:c::/64] command bind
rule = deny to 203.0.113.0/24
rule = permit
[external]
address = 198.51.100.1
address = 2001:db8:d::1
END

for client in client4 client6; do
  for peer in server4 server6; do
    case_ "BIND: $client and $peer, by address" expected $client $peer
    case_ "BIND: $client and $peer, by name" by_name $client $peer
  done
done
case_ "what either side says early arrives" early_data client4 server6
case_ "a stranger is turned away, the expected peer gets in" stranger client4 server4 client4
case_ "the same over IPv6" stranger client4 server6 client6
matches "the stranger is logged" 'event="not the expected peer".*peer="?\[2001:db8:c::2\]' "$work/gateway.log"
case_ "all zeros mean any peer of the family" anybody client4 server4 0.0.0.0
case_ "all zeros over IPv6" anybody client4 server6 ::
case_ "a peer that the rules deny is not waited for" denied client4 203.0.113.7
case_ "the gateway's own addresses are no peers" denied client4 198.51.100.1
case_ "a name that does not exist" unknown_name client4
case_ "a client that leaves takes its port with it" leaves client4 server6
case_ "SOCKS4" socks4 client4 server4 address
case_ "SOCKS4A, an IPv6 peer by name" socks4 client4 server6 name
case_ "SOCKS4: a user id that the rules deny" socks4_denied client4 server4 mallory
matches "the log knows whom" 'user=socks4:mallory command=bind .*result=denied' "$work/gateway.log"
matches "the log knows the peer" 'command=bind to="?only6.example:21"? address="?\[2001:db8:d::2\]:[0-9]+"? .*result=ok sent=15 received=13' "$work/gateway.log"
stop_gateway gateway

launch_gateway gateway --timeout.bind=1
case_ "nobody comes: the second reply says so" nobody client4 server6 1
case_ "SOCKS4: nobody comes" socks4_nobody client4 server4
matches "the log knows that nobody came" 'command=bind .*result=timed-out' "$work/gateway.log"
stop_gateway gateway

start_gateway gateway <<END
[access]
rule = permit command bind to 198.51.100.0/24
[bind]
ports = 40000-40003
advertise = 203.0.113.99
END
case_ "the ports are those of the range" in_range client4 server4 40000 40003
case_ "the address told is the one of the configuration" advertised client6 server4 203.0.113.99
case_ "any peer is not served without a rule" denied client4 0.0.0.0
finish
