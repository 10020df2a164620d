#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# external.address: which of the gateway's addresses destinations see, by CONNECT, BIND and UDP.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq
topology
start_services server4
start_services server6
# Second addresses, which the kernel does not choose by itself.
on gateway ip address add 198.51.100.9/24 dev eth3 preferred_lft 0 || bail "no second IPv4 address"
on gateway ip address add 2001:db8:d::9/64 dev eth4 nodad preferred_lft 0 || bail "no second IPv6 address"

sees() { # CLIENT SERVER ADDRESS
  check "$1 and $2, CONNECT" answers "came from $3." \
    on "$1" curl -sS -m 10 --socks5-hostname "$(client_gateway "$1")" "http://$(url_address "$2")/"
  check "$1 and $2, BIND" env HOSTS="$(host_list)" "$python" "$e2e/bind.py" seen_as "$1" "$2" "$3"
  check "$1 and $2, UDP" env HOSTS="$(host_list)" "$python" "$e2e/udp.py" seen_as "$1" "$2" "$3"
}

start_gateway gateway <<END
[access]
rule = permit
[external]
address = 198.51.100.9
address = 2001:db8:d::9
END
sees client4 server4 198.51.100.9
sees client4 server6 2001:db8:d::9
sees client6 server4 198.51.100.9
stop_gateway gateway
start_gateway gateway --external.address=2001:db8:d::9 <<END
[access]
rule = permit
END
sees client4 server6 2001:db8:d::9
sees client6 server4 198.51.100.1
finish
