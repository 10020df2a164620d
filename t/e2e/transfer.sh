#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What goes into a relay comes out of it: 200 MB each way, compared by checksum, while other relays open and close;
# and each side can end its half of a connection, or break it off, without the other half being touched.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl ncat nc sha256sum dnsmasq ss
topology
start_services server4
start_services server6

start_gateway gateway <<END
[access]
rule = permit from * to *,127.0.0.1
END

size=209715200
proxy4=$(client_gateway client4)
proxy6=$(client_gateway client6)
wanted=$(on server6 curl -sS "http://[::1]/random/$size.sha256")

# Relays that come and go meanwhile; each must bring its own small page.
churn() { # CLIENT NAME TEXT
  local fetched=0
  while [ ! -e "$work/enough" ]; do
    answers "$3" on "$1" curl -sS -m 20 --socks5-hostname "$(client_gateway "$1")" "http://$2/" >>"$work/churn.log" || exit 1
    fetched=$((fetched + 1))
  done
  echo $fetched
}

churn client4 only6.example 2001:db8:d::1 >"$work/churned4" &
churn4=$!
churn client6 only4.example 198.51.100.1 >"$work/churned6" &
churn6=$!

download() { # CLIENT PROXY SERVER
  on "$1" curl -sS -m 120 --socks5-hostname "$2" "http://$3/random/$size" | sha256sum | cut -d' ' -f1 >"$work/$1.down"
}
download client4 "$proxy4" only6.example &
down4=$!
download client6 "$proxy6" only4.example &
down6=$!
wait $down4 $down6
equal "200 MB from the IPv6-only server to the IPv4-only client" "$wanted" "$(cat "$work/client4.down")"
equal "200 MB from the IPv4-only server to the IPv6-only client" "$wanted" "$(cat "$work/client6.down")"

on server6 curl -sS "http://[::1]/random/$size" >"$work/payload"
upload() { # CLIENT PROXY SERVER
  on "$1" curl -sS -m 120 --socks5-hostname "$2" -T "$work/payload" "http://$3/" >"$work/$1.up"
}
upload client4 "$proxy4" only6.example &
up4=$!
upload client6 "$proxy6" only4.example &
up6=$!
wait $up4 $up6
equal "200 MB from the IPv4-only client to the IPv6-only server" "$wanted" "$(cat "$work/client4.up")"
equal "200 MB from the IPv6-only client to the IPv4-only server" "$wanted" "$(cat "$work/client6.up")"

touch "$work/enough"
wait $churn4
equal "every other relay brought its page (IPv4 client)" 0 $?
wait $churn6
equal "every other relay brought its page (IPv6 client)" 0 $?
within "other relays opened and closed meanwhile" 10 1000000 $(($(cat "$work/churned4" || echo 0) + $(cat "$work/churned6" || echo 0)))

check "curl through socksify: upload, then the answer" answers "$wanted" \
  socksified client4 curl -sS -m 60 -T "$work/payload" http://only6.example/

head -c 5000000 "$work/payload" >"$work/part"
expected="5000000 octets, SHA-256 $(sha256sum <"$work/part" | cut -d' ' -f1)"
fed() { # COMMAND...: with the part as its standard input
  "$@" <"$work/part"
}
check "ncat ends its half and still gets all of the answer" answers "$expected" \
  fed on client4 ncat -w 20 --proxy "$proxy4" --proxy-type socks5 --proxy-dns remote only6.example 9
check "nc -N through socksify ends its half and still gets all of the answer" answers "$expected" \
  fed socksified client6 nc -N -w 20 only4.example 9

count_results on client4 "$python" "$e2e/halves.py" "$proxy4" only6.example
matches "the server that had ended its half got all that came after" '^early .* 2000000$' "$work/server6.log"
matches "a reset by the client reaches the server as a reset" '^echo .*reset' "$work/server6.log"

# The workers rest meanwhile, so that the reply meets the reset.
workers=$(children "${gateway_pid[gateway]}")
# shellcheck disable=SC2086 # a list
kill -STOP $workers
on client4 "$python" "$e2e/halves.py" "$proxy4" 127.0.0.1 before-its-reply
# shellcheck disable=SC2086
kill -CONT $workers
matches "a client that breaks off before its reply has no relay" 'to=127.0.0.1:1080 .*result=peer-gone' "$work/gateway.log"
finish
