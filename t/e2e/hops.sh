#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Hops of others, and hops that are broken, all of them on server4; and two gateways that send each other in circles.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl openssl tcpdump danted microsocks tinyproxy haproxy dnsmasq ss
topology
start_services server4
cat >>"$work/server4.hosts" <<<"198.51.100.2 dante.example dante4.example micro.example login.example file.example"
cat >>"$work/server4.hosts" <<<"198.51.100.2 socks4a.example spare.example tls.example slow.example"
cat >>"$work/server4.hosts" <<<"198.51.100.2 http.example micro-through-http.example http-login.example http-tls.example http-wrong.example"

cat >"$work/danted.conf" <<END
logoutput: $work/danted.log
internal: 198.51.100.2 port = 1081
external: 198.51.100.2
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: root
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
END
service server4 "$work/danted.out.log" danted -f "$work/danted.conf"
service server4 "$work/microsocks.log" microsocks -i 198.51.100.2 -p 1082
service server4 "$work/microsocks.log" microsocks -i 198.51.100.2 -p 1083 -u alice -P 'se:cret'
service server4 "$work/broken.log" "$python" "$e2e/hops.py" serve 198.51.100.2
pki=$work/pki
mkdir "$pki"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hop -addext subjectAltName=IP:198.51.100.2 \
  -keyout "$pki/key.pem" -out "$pki/certificate.pem" 2>/dev/null
for port in 1085 1086; do
  cat >"$work/tinyproxy-$port.conf" <<END
Listen 198.51.100.2
Port $port
Timeout 20
LogFile "$work/tinyproxy-$port.log"
END
done
echo 'BasicAuth carol secret-of-hers' >>"$work/tinyproxy-1086.conf"
cat "$pki/certificate.pem" "$pki/key.pem" >"$pki/both.pem"
cat >"$work/haproxy.conf" <<END
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend tls
  bind 198.51.100.2:1087 ssl crt $pki/both.pem
  http-request deny deny_status 403 unless { hdr_beg(host) http-tls.example }
  default_backend proxy
backend proxy
  server tinyproxy 198.51.100.2:1085
END
for port in 1085 1086; do service server4 "$work/tinyproxy.out.log" tinyproxy -d -c "$work/tinyproxy-$port.conf"; done
service server4 "$work/haproxy.log" haproxy -db -f "$work/haproxy.conf"
"$crossgate" passwd "$work/passwd.crossgate" bob <<<"hop secret"
start_gateway server4 <<END
tls = 198.51.100.2:1084
[tls]
udp = yes
certificate = $pki/certificate.pem
key = $pki/key.pem
[auth]
method = userpass listen tls
method = none
password-file = $work/passwd.crossgate
[access]
rule = permit to 198.51.100.0/24
rule = permit from 198.51.100.1
[route]
via = socks5://198.51.100.1:1080 to circle.example
END
for port in 1081 1082 1083 1084 1085 1086 1087 2009; do wait_listening server4 $port "a hop"; done
printf 'alice:se:cret\n' >"$work/login"
chmod 600 "$work/login"

# microsocks forgets a request that comes in one flight with the greeting.
start_gateway gateway <<END
[access]
rule = permit
[route]
via = socks5://198.51.100.2:1081 to dante.example
via = socks4://198.51.100.2:1081 resolve here to only4.example
via = socks5://198.51.100.2:1082 to micro.example pipeline no
via = socks5://alice:se%3acret@198.51.100.2:1083 to login.example pipeline no
via = socks5://@$work/login@198.51.100.2:1083 to file.example pipeline no
via = socks5://alice:wrong@198.51.100.2:1083 to wrong.example pipeline no
via = socks4a://198.51.100.2:1080 to socks4a.example
via = socks5+tls://bob:hop%20secret@198.51.100.2:1084 to tls.example
via = http://198.51.100.2:1085 to http.example
via = http://carol:secret-of-hers@198.51.100.2:1086 to http-login.example
via = http://carol:secret-of-his@198.51.100.2:1086 to http-wrong.example
via = http+tls://198.51.100.2:1087 to http-tls.example,http-denied.example
via = http://198.51.100.2:1085 socks5://198.51.100.2:1082 to micro-through-http.example pipeline no
via = http://198.51.100.2:2003 to http-garbage.example
via = socks5://198.51.100.2:1080 to slow.example pipeline no
via = socks5://198.51.100.2:1080 to 198.51.100.2
via = socks5://198.51.100.2:1080 to circle.example
via = socks5://198.51.100.2:2001 to down.example
via = socks5://198.51.100.2:2002 to hangs.example
via = socks5://198.51.100.2:2003 to garbage.example
via = socks5://198.51.100.2:2004 to closes.example
via = socks5://198.51.100.2:2005 to half-a-method.example
via = socks5://198.51.100.2:2006 to no-reply.example
via = socks5://198.51.100.2:2007 to half-a-reply.example
via = socks5://198.51.100.2:2008 to no-method.example
via = socks5://198.51.100.2:2009 to refused.example
via = socks5://198.51.100.2:2011 to another-method.example
via = socks5://198.51.100.2:2012 to another-version.example
via = socks5://198.51.100.2:2013 to no-address.example
via = socks5://198.51.100.2:2014 to breaks.example
via = socks5://198.51.100.2:2015 to half-a-refusal.example
via = socks4a://198.51.100.2:2016 to half-of-4.example
via = socks4a://198.51.100.2:2017 to refused-by-4.example
via = socks4a://198.51.100.2:2018 to garbage-of-4.example
via = http://198.51.100.2:2021 to http-endless.example
via = http://198.51.100.2:2022 to http-half.example
via = http://198.51.100.2:2023 to http-no-status.example
via = http://198.51.100.2:2024 to http-continues.example
via = socks5://198.51.100.2:2010 | socks5://198.51.100.2:1082 to spare.example pipeline no
timeout = 1
ca = $pki/certificate.pem
down = 1
END

page() { # NAME
  answers 198.51.100.2 on client4 curl -sS -m 10 --socks5-hostname 192.0.2.1:1080 "http://$1/"
}
check "Dante as a hop" page dante.example
check "Dante by SOCKS4, the name resolved here" page only4.example
check "microsocks as a hop" page micro.example
check "a hop that wants a user and a password" page login.example
check "the same from a file" page file.example
check "Crossgate by SOCKS4A" page socks4a.example
check "Crossgate by TLS, with a user and a password" page tls.example
matches "it knows who came, and how" 'user=bob auth=userpass tls=TLSv1.3 command=connect to=tls.example:80 .*result=ok' "$work/server4.log"

check "tinyproxy as a hop by HTTP" page http.example
check "by HTTP with a user and a password" page http-login.example
check "a SOCKS5 hop through one by HTTP" page micro-through-http.example
check "HAProxy, and tinyproxy behind it, by HTTP and TLS" page http-tls.example
check "nothing behind the head of its response is lost" answers "that is all" on client4 \
  timeout 10 curl -sS --socks5-hostname 192.0.2.1:1080 telnet://http.example:10

# How often the gateway has spoken to the hop before the page is there: the last time is the client's own request.
turns() { # HOST
  service server4 "$work/turns" tcpdump -i any -nn -q -l 'tcp port 1080 and host 198.51.100.1'
  local watch=$service_pid
  wait_until 5 grep -q listening "$work/turns"
  page "$1" >/dev/null
  wait_until 5 grep -q 'tcp [1-9][0-9][0-9]' "$work/turns"
  kill "$watch"
  awk '/ tcp [1-9]/ { if ($5 != last) { last = $5; if ($7 ~ /1080:$/) n++ } } END { print n + 0 }' "$work/turns"
  rm "$work/turns"
}
equal "a hop costs one round trip beside TCP's" 2 "$(turns 198.51.100.2)"
equal "and two where greeting and request are apart" 3 "$(turns slow.example)"

told() { # WHAT NAME CODE LOW HIGH
  check "$1" env HOSTS="$(host_list)" "$python" "$e2e/hops.py" ask "${@:2}"
}
told "a hop that is down" down.example 1 0 10
told "a hop that hangs" hangs.example 6 0.9 10
told "a hop that says garbage, one octet at a time" garbage.example 1 0 10
told "a hop that closes at once" closes.example 1 0 10
told "a hop that closes in the middle of its method" half-a-method.example 1 0 10
told "a hop that closes instead of a reply" no-reply.example 1 0 10
told "a hop that closes in the middle of its reply" half-a-reply.example 1 0 10
told "a hop that wants another method" no-method.example 2 0 10
told "a wrong password" wrong.example 2 0 10
told "what a hop tells is passed on" refused.example 5 0 10
told "a refusal of HAProxy's" http-denied.example 2 0 10
told "a wrong password by HTTP" http-wrong.example 2 0 10
told "a hop that answers in anything but HTTP" http-garbage.example 1 0 10

# The same, and what the log says of it.
failed() { # WHAT NAME CODE REASON
  told "$1" "$2" "$3" 0 10
  matches "$1: the log says so" "to=$2:80 .*reason=\".*$4" "$work/gateway.log"
}
failed "a hop that chooses a method that it was not offered" another-method.example 1 "a method that was not offered"
failed "a hop whose reply is of another version" another-version.example 1 "reply: version 0x04 where 0x05 is due"
failed "a hop whose reply has an address of no known type" no-address.example 8 "address type 0x09"
failed "a hop that resets in the middle of its reply" breaks.example 1 "Connection reset by peer"
failed "half a reply that tells a refusal" half-a-refusal.example 2 "in the middle of a reply that tells a failure"
failed "a SOCKS4 hop that closes in the middle of its reply" half-of-4.example 1 "the server closed before its reply"
failed "a SOCKS4 hop that refuses" refused-by-4.example 1 "told by socks4a://198.51.100.2:2017"
failed "a SOCKS4 hop that answers as one of SOCKS5" garbage-of-4.example 1 "SOCKS4 reply: neither version 0 nor 4"
failed "an HTTP hop whose response has no end" http-endless.example 1 "the head of the proxy's response is too long"
failed "one that closes in the middle of it" http-half.example 1 "the proxy closed before its response"
failed "one whose response has no status" http-no-status.example 1 "the proxy's response has no status"
failed "one that says to continue, again and again" http-continues.example 1 "the head of the proxy's response is too long"
told "BIND does not go by HTTP" http.example 7 0 10 BIND
matches "the log names the hop" 'command=bind .*result=unsupported-command.*"http://198.51.100.2:1085: HTTP has no other' "$work/gateway.log"
matches "the log names the hop that failed" 'event="hop down" hop=socks5://198.51.100.2:2001 ' "$work/gateway.log"

check "an alternative takes over" page spare.example
matches "the other one is down" 'event="hop down" hop=socks5://198.51.100.2:2010 ' "$work/gateway.log"
service server4 "$work/microsocks.log" microsocks -i 198.51.100.2 -p 2010
wait_listening server4 2010 microsocks
recovered() {
  page spare.example >/dev/null && grep -q 'event="hop up" hop=socks5://198.51.100.2:2010 ' "$work/gateway.log"
}
check "a hop that is back is noticed" wait_until 5 recovered

told "two gateways that send each other in circles" circle.example 2 0 10
matches "the one says so" 'to=circle.example:80 .*result=denied' "$work/gateway.log"
matches "and so does the other" 'to=circle.example:80 .*result=denied' "$work/server4.log"
within "and no more relays than gateways a request may pass" 8 16 \
  "$(cat "$work/gateway.log" "$work/server4.log" | grep -c to=circle.example:80)"
refute "no password is in a log" grep -l -e cret -e Y2Fyb2w "$work/gateway.log" "$work/server4.log"
"$crossgate" -f "$work/gateway.conf" --dump-config >"$work/dump"
matches "nor in --dump-config" 'via = socks5://alice:\*\*\*@198.51.100.2:1083 to login.example' "$work/dump"
check "explain tells the route and its line" answers \
  "route: via socks5://198.51.100.2:2010 | socks5://198.51.100.2:1082 ($work/gateway.conf:" \
  "$crossgate" -f "$work/gateway.conf" explain --to spare.example:80
check "and that there is none" answers "route: direct: no line of route.via concerns it" \
  "$crossgate" -f "$work/gateway.conf" explain --to 192.0.2.77:80
stop_gateway gateway

start_gateway gateway <<END
[access]
rule = permit
[route]
via = socks5+tls://bob:hop%20secret@198.51.100.2:1084 command udp
ca = $pki/certificate.pem
END
told "UDP does not go through a hop by TLS" 0.0.0.0 7 0 10 UDP_ASSOCIATE
matches "the log says why" 'command=udp .*reason="socks5\+tls://198.51.100.2:1084: TLS does not protect datagrams' \
  "$work/gateway.log"
stop_gateway gateway
echo "udp = yes" >>"$work/gateway.conf"
launch_gateway gateway
check "it does where both ends want it" \
  env HOSTS="$(host_list)" "$python" "$e2e/udp.py" seen_as client4 server4 198.51.100.2
finish
