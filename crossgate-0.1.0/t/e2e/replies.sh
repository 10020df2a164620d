#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the Gateway answers to requests that fail, to nonsense, and to clients that take their time: replies.py asks,
# from the IPv4-only and from the IPv6-only client.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq ss
topology
start_services server4
start_services server6
# 203.0.113.0/24 and 2001:db8:e::/48 are where nothing answers: no route, a router that says unreachable, a hole.
on gateway ip route add unreachable 203.0.113.32/28
on gateway ip -6 route add unreachable 2001:db8:e:1::/64
host nowhere both
link gateway 203.0.113.65/28,2001:db8:e:2::1/64 nowhere 203.0.113.66/28,2001:db8:e:2::2/64
hole=eth$link_count
on gateway ip neighbour replace 203.0.113.67 lladdr 02:00:00:00:00:01 dev $hole
on gateway ip neighbour replace 2001:db8:e:2::3 lladdr 02:00:00:00:00:01 dev $hole

start_gateway gateway <<END
[timeout]
negotiate = 3
connect = 2
[access]
rule = deny to *:81,forbidden.example
rule = permit from *
END

for client in client4 client6; do
  count_results on $client "$python" "$e2e/replies.py" "$(client_gateway $client)" "$work/gateway.log"
done
finish
