#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A name whose answers change: whatever it points to at the moment is what the rules judge, and it leads nobody to
# the Gateway itself, nor to what only its own network can reach.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq
topology
start_services server6

answers=$work/answers
: >"$answers"
name_server gateway "$work/changing.log" 5353 --listen-address=127.0.0.1 --bind-interfaces --local=/example/ \
  --addn-hosts="$answers" --log-queries
dns=$service_pid
points_to() { # ADDRESS...
  local before
  before=$(grep -c "read $answers" "$work/changing.log")
  printf '%s changing.example\n' "$@" >"$answers"
  kill -HUP "$dns"
  wait_until 5 eval '[ "$(grep -c "read $answers" "$work/changing.log")" -gt '"$before"' ]' || bail "dnsmasq keeps its names"
}

start_gateway gateway <<END
[resolver]
nameserver = 127.0.0.1:5353
[access]
rule = permit from *
END
# What would be there for the taking.
service gateway "$work/own.log" "$python" "$e2e/serve.py" --root "$work/www" web:80
wait_listening gateway 80 "the gateway's own web server"
denials() { [ "$(grep -c "result=denied" "$work/gateway.log")" = "$1" ]; }
fetch() { on client4 curl -sS -m 5 --socks5-hostname "$(client_gateway client4)" "http://changing.example/$1" 2>&1; }

points_to 2001:db8:d::2
equal "it points to a server" "hello from server6" "$(fetch server6.txt)"
for address in 127.0.0.1 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: 169.254.169.254 fe80::1 0.0.0.0 \
  192.0.2.1 2001:db8:d::1; do
  points_to "$address"
  denied=$(grep -c "result=denied" "$work/gateway.log")
  refute "then to $address: refused" fetch ""
  check "as denied" wait_until 5 denials $((denied + 1))
done
points_to 127.0.0.1 2001:db8:d::2 ::1
equal "then to a server among such: the server it is" "hello from server6" "$(fetch server6.txt)"
points_to 2001:db8:d::2
equal "and to the server again" "hello from server6" "$(fetch server6.txt)"
equal "the gateway's own server was asked for nothing" "" "$(grep web "$work/own.log")"
finish
