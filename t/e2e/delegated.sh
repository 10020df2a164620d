#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Names where a hop is on the way: which ones it is told, and what becomes of its answers.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq
topology
delegated=("$python" "$e2e/delegated.py")
service server4 "$work/hop.log" env HOSTS= "${delegated[@]}" serve 198.51.100.2 2021
wait_listening server4 2021 "the hop"
start_gateway gateway <<END
[resolver]
nameserver = 127.0.0.1
[access]
rule = permit to 198.51.100.0/24,2001:db8:7::/48
rule = permit to zeros.example,named.example
[route]
via = socks5://198.51.100.2:2021 resolve here to only4.example,only6.example
via = socks5://198.51.100.2:2021 to zeros.example,named.example
END
asks() { # WHAT COMMAND HOST REPLY [VERSION]
  check "$1" env HOSTS="$(host_list)" "${delegated[@]}" ask "${@:2}"
}
hop_was_told() { # HOST
  grep -q " $1\$" "$work/hop.log"
}

asks "BIND of a name that is resolved here, and permitted by its address" BIND only4.example 0
check "the hop is told the address" hop_was_told 198.51.100.2
asks "BIND of one whose address is not permitted" BIND only6.example 2
refute "the hop is not told that name" hop_was_told only6.example
refute "nor its address" hop_was_told 2001:db8:d::2

asks "RESOLVE that a hop answers with 0.0.0.0: there is no such name" RESOLVE zeros.example 4
check "it was the hop that said so" hop_was_told zeros.example
asks "RESOLVE that a hop answers with a name, by SOCKS4A" RESOLVE named.example 0x5b 4
asks "RESOLVE of an IPv6 address by SOCKS4A" RESOLVE 2001:db8:7::1 0x5b 4
asks "RESOLVE of an IPv4 address by SOCKS4A" RESOLVE 198.51.100.7 0x5a 4
finish
