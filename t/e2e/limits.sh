#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ways around the rules that are none: a name that is resolved as another one, and limits of rules where a session has
# several addresses or none yet; and how many relays a source may have.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq
topology
start_services server4
for each in 198.51.100.3 10.9.9.9; do
  on gateway ip route add unreachable "$each/32" || bail "no route that leads nowhere"
done

# Of one the address that serves is the first, of the other the second.
printf '%s.test\n' "198.51.100.2 first" "10.9.9.9 first" "198.51.100.2 second" "198.51.100.3 second" >"$work/two"
name_server gateway "$work/test.log" 5353 \
  --listen-address=127.0.0.1 --bind-interfaces --local=/test/ --local=/corp/ --local=// \
  --addn-hosts="$work/two" --host-record=secret.test,198.51.100.2 --host-record=open.test,198.51.100.2 \
  --host-record=build.corp,198.51.100.2 --host-record=hidden.corp,198.51.100.2 --host-record=x.test.corp,198.51.100.2
echo "search corp" >>"$work/gateway.resolv.conf"

case_() { # WHAT CASE [ARG...]
  check "$1" env HOSTS="$(host_list)" "$python" "$e2e/limits.py" "${@:2}"
}
soon() { # WHAT CASE [ARG...]: what the case before held may not have been counted out yet
  check "$1" wait_until 10 env HOSTS="$(host_list)" "$python" "$e2e/limits.py" "${@:2}"
}
rules() { # RULE...
  start_gateway gateway < <(
    printf '[resolver]\nnameserver = 127.0.0.1:5353\n[access]\n'
    printf 'rule = %s\n' "$@"
  )
}

# ---- names -----------------------------------------------------------------------------------------

rules "deny to secret.test,hidden.corp" "permit to .test" "permit to build,hidden" "permit command udp"
case_ "a name that a rule denies" relays client4 secret.test 2
case_ "one that it permits" relays client4 open.test 0
case_ "with a backslash, which resolvers skip, it is no name" relays client4 's\ecret.test' 2
case_ "nor with a number behind one" relays client4 's\101cret.test' 2
matches "the log says why" 'to="s.*ecret.test:7" .*reason="the name holds a character that no host' "$work/gateway.log"
case_ "a name without a dot is searched" relays client4 build 0
case_ "but not found where a rule denies what it is in full" relays client4 hidden 2
matches "as the log says" 'to=hidden:7 .*result=denied reason="denied by the rule' "$work/gateway.log"
case_ "what a search makes of a longer name is permitted by its own name only" relays client4 x.test 2
stop_gateway gateway

# ---- limits ----------------------------------------------------------------------------------------

rules "permit to 198.51.100.2 command connect sessions 1" "permit to 198.51.100.3,10.9.9.9 command connect sessions 1000" \
  "permit to 198.51.100.2 command udp per-source 1"
case_ "one session to an address" relays client4 198.51.100.2 "0 2 2"
soon "a name with another address is no way around it" granted client4 first.test 6 1
soon "nor one that has them in another order" granted client4 second.test 6 1
soon "and what has ended is given back" relays client4 198.51.100.2 "0 2"
case_ "an association counts before its first datagram" associations client4 "0 2 2"
soon "and as long as it lives" associations client4 "0 2"
stop_gateway gateway

# ---- relays of a source ----------------------------------------------------------------------------

for each in 192.0.2.{3,4,5}/24; do add_address client4 $each eth1; done
for each in 2001:db8:c::3/64 2001:db8:c:1::2/64; do add_address client6 $each eth2; done
add_address gateway 2001:db8:c:1::1/64 eth2
start_gateway gateway <<END
socks = 0.0.0.0:1082 proxy from 192.0.2.2
[limits]
per-source = 2
[access]
rule = permit
END
case_ "the third relay of a source is closed, another source is served" \
  sources client4 "0 0 closed 0" 192.0.2.3 192.0.2.3 192.0.2.3 192.0.2.4
matches "the log says so" 'event="too many relays of one source" client=192.0.2.3:[0-9]+ limit=2 refused=1' \
  "$work/gateway.log"
case_ "all of a /64 is one source" \
  sources client6 "0 0 closed 0" 2001:db8:c::2 2001:db8:c::3 2001:db8:c::3 2001:db8:c:1::2
case_ "the relays that a load balancer brings are not its own" balanced client4 192.0.2.2 "0 0 0 0"
case_ "the others at its listener are limited" unbalanced client4 192.0.2.5 "0 0 closed"
finish
