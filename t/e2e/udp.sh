#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# UDP ASSOCIATE (RFC 1928, section 7): between the families, in every size, for the association's client alone.
#
#   t/e2e/udp.sh paced RATE SECONDS    only this: so many datagrams a second, none lost; for a machine that is idle
. "$(dirname "$0")/lib.sh"
isolate "$@"
need_descriptors 8000
topology
add_address server4 198.51.100.3/32 lo
# What interfaces make up themselves is not known here, nor usable at once.
for each in client6:eth2:c:2 gateway:eth2:c:1 gateway:eth4:d:1 server6:eth4:d:2; do
  IFS=: read -r host interface address <<<"$each"
  on "$host" ip -6 address flush dev "$interface" scope link
  add_address "$host" "fe80::$address/64" "$interface"
done
on gateway ip -6 route add fe80::d:2/128 dev eth4

case_() { # WHAT CASE [ARG...]
  check "$1" env HOSTS="$(host_list)" "$python" "$e2e/udp.py" "${@:2}"
}

counted() { # WHAT FIELD...: some association's log line has all these fields
  local what=$1 pattern=command=udp
  shift
  for field; do pattern="$pattern.* $field\\>"; done
  matches "$what" "$pattern" "$work/gateway.log"
}

start_gateway gateway <<END
socks = lo:1081 owner 0
[resolver]
nameserver = 127.0.0.1
[access]
rule = permit to fe80::d:2
rule = permit
END
if [ "${1:-}" = paced ]; then
  count_results env HOSTS="$(host_list)" "$python" "$e2e/udp.py" paced client4 server6 "$2" "$3"
  [ $failed != 0 ] || ok "$2 datagrams a second for $3 s, none lost"
  finish
fi
for client in client4 client6; do
  for server in server4 server6; do
    case_ "$client and $server, by address and by name, up to the largest datagram" sizes $client $server
  done
done
case_ "a client that announces its port is served from there alone" announced_port client4 server6
counted "the datagram from elsewhere is counted" datagrams-sent=1 dropped-foreign=1
case_ "a client that announces the destination is served" announced_destination client4 server4
case_ "link-local addresses on both sides" link_local client6 eth2 server6 eth4
case_ "forged sources are dropped" forged client4 server6 192.0.2.53
counted "they are counted" sent=43 datagrams-sent=2 dropped-foreign=2
if [ "$E2E_INSIDE" = root ]; then
  case_ "a listener's owner is served, no other user of the host" owned server4 1081 65534
  matches "whose datagram is counted" "client=127.0.0.1:[0-9]+ command=udp .*datagrams-sent=1 datagrams-received=1 dropped-foreign=1" "$work/gateway.log"
fi
case_ "octets without sense are dropped" rubbish client6 server4
counted "they are counted" datagrams-sent=1 datagrams-received=1 dropped-malformed=9
case_ "fragments become whole, or are dropped, as RFC 1928 says" fragments client4 server6
counted "the lost ones are counted" dropped-fragment=17
case_ "a sequence of fragments expires" expired client6 server4
case_ "who may answer the client" peers client4 server4 198.51.100.3 contacted
case_ "the end of the TCP connection is the end of the association" ends client4 server6
case_ "1,000 associations at once" crowd client4 server6 1000
case_ "20,000 datagrams as fast as they come back, each once" stream client4 server6 20000
stop_gateway gateway

start_gateway gateway <<END
[resolver]
nameserver = 127.0.0.1
[access]
rule = permit from 192.0.2.0/24 to 198.51.100.2,only4.example command udp
[udp]
ports = 40000-40009
advertise = 192.0.2.99
fragments = drop
END
case_ "the address told is the advertised one, the port is of the range" advertised client4 192.0.2.99 40000 40009
case_ "a client that no rule permits UDP to" no_command client6
stop_gateway gateway

start_gateway gateway <<END
[resolver]
nameserver = 127.0.0.1
[access]
rule = permit to 198.51.100.0/24,only4.example command udp
[udp]
fragments = drop
peers = any
[timeout]
udp = 2
END
case_ "each destination is judged by the rules" rules client4 server4
counted "the denied ones are counted" datagrams-sent=2 datagrams-received=2 dropped-denied=5 dropped-unresolved=1
case_ "fragments are dropped where the configuration says so" no_fragments client4 server4
case_ "a silent association ends" idle client4 server4 2
matches "the log says so" 'command=udp .*result=idle-timeout' "$work/gateway.log"
case_ "strangers keep no association alive" strangers client4 server4
counted "nor does the log count them as anything else" result=idle-timeout datagrams-sent=1 'dropped-uninvited=[1-9][0-9]*'
case_ "any permitted host may answer where the configuration says so" peers client6 server4 198.51.100.3 any
finish
