#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Which of a route's alternatives a request takes, and whose password it takes along.  The hops are Crossgates on
# server4 and server6; a page says which of them has fetched it.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl openssl dnsmasq ss
topology
start_services server4
start_services server6
names=(one two three four five six seven eight)
for name in "${names[@]/%/.hash.example}" a.least.example a.order.example login.example both.example; do
  echo "198.51.100.2 $name" >>"$work/server4.hosts"
  echo "2001:db8:d::2 $name" >>"$work/server6.hosts"
done

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hop \
  -addext subjectAltName=IP:198.51.100.2 -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
for who in gateway server4; do "$crossgate" passwd "$work/passwd.$who" bob <<<"bob's own"; done
start_gateway server4 <<END
tls = 198.51.100.2:1084
[tls]
certificate = $work/certificate.pem
key = $work/key.pem
[auth]
method = userpass listen tls
method = none
password-file = $work/passwd.server4
[access]
rule = permit to 198.51.100.0/24
END
start_gateway server6 <<END
[access]
rule = permit to 2001:db8:d::/64
END
start_gateway gateway <<END
[auth]
method = userpass,none
password-file = $work/passwd.gateway
[access]
rule = permit
[route]
ca = $work/certificate.pem
via = socks5://198.51.100.2:1080 | socks5://[2001:db8:d::2]:1080 balance hash to *.hash.example
via = socks5://198.51.100.2:1080 | socks5://[2001:db8:d::2]:1080 balance least to both.example,a.least.example
via = socks5://198.51.100.2:1080 | socks5://[2001:db8:d::2]:1080 to a.order.example
via = socks5+tls://198.51.100.2:1084 login pass to login.example
END

hop_of() { # NAME [CURL-OPTION...]: who has fetched the page
  on client4 curl -sS -m 10 --socks5-hostname 192.0.2.1:1080 "${@:2}" "http://$1/" 2>&1 | sed -n 's/.*came from \(.*\)\./\1/p'
}
equal "in order: the first one" "198.51.100.2 198.51.100.2" "$(hop_of a.order.example) $(hop_of a.order.example)"

hops_of_names() { for name in "${names[@]}"; do hop_of "$name.hash.example"; done; }
hops_of_names >"$work/first"
hops_of_names >"$work/second"
check "by hash: a destination keeps its hop" cmp "$work/first" "$work/second"
equal "and the destinations have several" 2 "$(sort -u "$work/first" | wc -l)"

# curl may be gone before the Gateway has counted its relay out.
ended_are() { [ "$(grep -c to=a.least.example "$work/gateway.log")" = "$1" ]; }

relays_to=both.example
start_relays client4
equal "by least relays: where there are none, the first one" 198.51.100.2 "$(hop_of a.least.example)"
check "whose relay ends" wait_until 5 ended_are 1
equal "one relay is held" 1 "$(relays client4 open 1)"
equal "so the next goes by the other one" 2001:db8:d::2 "$(hop_of a.least.example)"
check "whose relay ends" wait_until 5 ended_are 2
equal "a second one is held, by that" 2 "$(relays client4 open 1)"
equal "and with one each it is the first again" 198.51.100.2 "$(hop_of a.least.example)"
relays client4 close >/dev/null

equal "the client's own login goes on to a hop by TLS" 198.51.100.2 "$(hop_of login.example --proxy-user "bob:bob's own")"
matches "which knows him by it" "user=bob auth=userpass tls=TLSv1.3 command=connect to=login.example:80" "$work/server4.log"
equal "a client without one gets nowhere" "" "$(hop_of login.example)"
refute "no password is in a log" grep -l "bob's own" "$work/gateway.log" "$work/server4.log"
sed -i 's|^via = socks5+tls://198.51.100.2:1084 login pass|via = socks5://198.51.100.2:1080 login pass|' "$work/gateway.conf"
refute "in the clear it would not be passed on" "$crossgate" -f "$work/gateway.conf" --check
sed -i 's|login pass to|login pass-clear to|' "$work/gateway.conf"
check "unless the route says so" "$crossgate" -f "$work/gateway.conf" --check
finish
