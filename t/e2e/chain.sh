#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Gateways behind gateways, the families alternating from hop to hop:
#
#   client4 --v4-- gateway --v6-- second --v4-- third --v6-- fourth --v4-- far4
#                                 |    |            |
#                        client6--+    +--server4   +--server6
#
# Every gateway host has a name server of its own that writes down what it is asked, so that it can be seen who
# resolves.  Nothing is routed from one cable to the next.
#
#   t/e2e/chain.sh 209715200    with so many octets for the checksums
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq dig lftp vsftpd ss
size=${1:-20000000}

host client4 ipv4 192.0.2.53
host client6 ipv6 2001:db8:53::53
for each in gateway second third fourth; do host $each both 127.0.0.1; done
host server4 ipv4
host server6 ipv6
host far4 ipv4
link client4 192.0.2.2/24 gateway 192.0.2.1/24
link client6 2001:db8:c::2/64 second 2001:db8:c::1/64
link gateway 2001:db8:12::1/64 second 2001:db8:12::2/64
link second 198.51.100.1/24 server4 198.51.100.2/24
link second 203.0.113.1/28 third 203.0.113.2/28
link third 2001:db8:d::1/64 server6 2001:db8:d::2/64
link third 2001:db8:34::1/64 fourth 2001:db8:34::2/64
link fourth 203.0.113.65/28 far4 203.0.113.66/28
on client4 ip route add default via 192.0.2.1
on client6 ip route add default via 2001:db8:c::1
add_address client4 192.0.2.53/32 lo
add_address client6 2001:db8:53::53/128 lo
for each in client4 client6; do start_leak_detector $each; done

for each in gateway second third fourth; do
  name_server $each "$work/$each.names.log" 53 \
    --listen-address=127.0.0.1 --bind-interfaces --log-queries --local=/example/ \
    --host-record=only4.example,198.51.100.2 --host-record=only6.example,2001:db8:d::2 \
    --host-record=far.example,203.0.113.66 --host-record=second.gw.example,2001:db8:12::2
done
for each in server4 server6 far4; do
  start_services $each
  name_server $each "$work/$each.dns.log" 53 --log-queries --host-record="told-by.$each.example,192.0.2.77"
done

start_gateway gateway <<END
[access]
rule = permit from 192.0.2.0/24
[route]
via = socks5://second.gw.example:1080 to only4.example,198.51.100.0/24 command connect,bind
via = socks5://[2001:db8:12::2]:1080 socks5://203.0.113.2:1080 command connect,bind,resolve
via = socks5://[2001:db8:12::2]:1080 command udp
END
start_gateway second <<END
[access]
rule = permit from 2001:db8:12::/64,2001:db8:c::/64,fe80::12:1
[route]
via = socks5://203.0.113.2:1080 from 2001:db8:c::/64 to only6.example,far.example,2001:db8:d::/64 command connect,bind
via = socks5://203.0.113.2:1080 from 2001:db8:c::/64 command udp
END
start_gateway third <<END
[access]
rule = permit from 203.0.113.0/28
[route]
via = socks5://[2001:db8:34::2]:1080 to far.example,203.0.113.64/28
END
start_gateway fourth <<END
[access]
rule = permit from 2001:db8:34::1
END

asked() { # HOST NAME: has this gateway's name server been asked for it?
  grep -q "query.* $2 " "$work/$1.names.log"
}

# A page, and a file each way; the server saw the last gateway only, and it alone has asked for the name.
through() { # CLIENT NAME SERVER LAST-GATEWAY ITS-ADDRESS OTHER-GATEWAY...
  local client=$1 name=$2 server=$3 last=$4 address=$5 wanted each
  shift 5
  wanted=$(on "$server" curl -sS "http://127.0.0.1/random/$size.sha256")
  check "$client to $server: socksify curl" answers "$address" socksified "$client" curl -sS -m 20 "http://$name/"
  socksified "$client" curl -sS -m 60 "http://$name/random/$size" >"$work/$client.file"
  equal "$client to $server: $size octets down" "$wanted" "$(sha256sum <"$work/$client.file" | cut -d' ' -f1)"
  check "$client to $server: $size octets up" answers "$wanted" \
    socksified "$client" curl -sS -m 60 -T "$work/$client.file" "http://$name/"
  rm "$work/$client.file"
  equal "$client to $server: the server saw the last gateway alone" "$address" \
    "$(grep '^web' "$work/$server.log" | cut -d' ' -f2 | grep -v '^127\.' | sort -u)"
  check "$client to $server: the last gateway has resolved the name" asked "$last" "$name"
  for each; do refute "$client to $server: $each has not" asked "$each" "$name"; done
}
through client4 only4.example server4 second 198.51.100.1 gateway
through client6 only6.example server6 third 2001:db8:d::1 second gateway
through client4 far.example far4 fourth 203.0.113.65 gateway second third
check "the clients have resolved nothing" test ! -s "$work/client4.leaks.log" -a ! -s "$work/client6.leaks.log"
matches "the log has the route" \
  'to=far.example:80 .*route="via socks5://\[2001:db8:12::2\]:1080 socks5://203.0.113.2:1080" result=ok' "$work/gateway.log"
check "an address is passed on as such" answers 198.51.100.1 \
  on client4 curl -sS -m 20 --socks5 192.0.2.1:1080 http://198.51.100.2/

check "dig by TCP" answers 192.0.2.77 socksified client4 dig +tcp +short @only4.example told-by.server4.example
check "the same through four gateways" answers 192.0.2.77 \
  socksified client4 dig +tcp +short @far.example told-by.far4.example

mkdir "$work/ftp"
head -c 300000 /dev/urandom >"$work/ftp/file"

fetch() { # CLIENT NAME PASSIVE
  socksified "$1" lftp -c "set net:timeout 5; set net:max-retries 1; set ftp:passive-mode $3; \
    open $2; cat file" 2>>"$work/lftp.log" | cmp - "$work/ftp/file"
}
for pair in client4:only4.example:server4 client6:only6.example:server6 client4:far.example:far4; do
  IFS=: read -r client name server <<<"$pair"
  start_ftp $server
  check "$client to $server: FTP" fetch $client $name yes
  check "$client to $server: FTP, active (BIND)" fetch $client $name no
done

case_() { # WHAT PROGRAM CASE [ARG...]
  check "$1" env HOSTS="$(host_list)" "$python" "$e2e/$2" "${@:3}"
}
for pair in "client4 server4" "client6 server6"; do
  # shellcheck disable=SC2086 # two words
  case_ "BIND through two gateways: $pair" bind.py expected $pair
  # shellcheck disable=SC2086
  case_ "the same by name: $pair" bind.py by_name $pair
done
case_ "UDP through two gateways, v4 v6 v4" udp.py through client4 server4
case_ "UDP through two gateways, v6 v4 v6" udp.py through client6 server6
case_ "the end of the TCP connection is the end of the associations" udp.py ends client4 server4
check "dig by UDP" answers 192.0.2.77 socksified client4 dig +short @only4.example told-by.server4.example
stop_gateway gateway

start_gateway gateway <<END
[access]
rule = permit from 192.0.2.0/24
[route]
via = socks5://[2001:db8:12::2]:1080 to only4.example
via = socks5://[2001:db8:12::2]:1080 socks5://203.0.113.2:1080
END
case_ "UDP through two hops of one route, an association at each" udp.py through client4 server6
case_ "a datagram that has another route than its association is not sent" udp.py unrouted client4
matches "the log says why" 'reason="only4.example:7 has another route than its association"' "$work/gateway.log"
case_ "a hop that ends takes the association with it" udp.py hop_ends client4 "${gateway_pid[third]}"
matches "the log says that too" 'command=udp .*result=hop-lost' "$work/gateway.log"
stop_gateway gateway

start_gateway gateway <<END
[access]
rule = permit from 192.0.2.0/24
[route]
via = socks5://[2001:db8:12::2]:1080 socks4a://203.0.113.2:1080
END
case_ "what a hop can't carry is refused as such" udp.py no_command client4 7
matches "and the log names the hop" 'command=udp .*reason="socks4a://203.0.113.2:1080: carries no UDP"' "$work/gateway.log"
stop_gateway gateway

# What interfaces make up themselves is not known here, nor usable at once.
for each in gateway:1 second:2; do
  on ${each%:*} ip -6 address flush dev eth3 scope link
  add_address ${each%:*} fe80::12:${each#*:}/64 eth3
done
start_gateway gateway <<END
[access]
rule = permit from 192.0.2.0/24
[route]
via = socks5://[fe80::12:2%eth3]:1080
END
case_ "UDP through a hop at a link-local address" udp.py through client4 server4
finish
