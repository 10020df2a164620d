#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# TLS to the client: listeners and detection, who is let in and under which name, ciphers, tickets that any worker and
# the next generation resume, a certificate that is replaced, and a thousand relays at once.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need openssl socat curl dnsmasq ss
need_descriptors 4096
topology
start_services server4

# ---- a CA, the Gateway's certificates, and clients' ----------------------------------------------

pki=$work/pki
mkdir "$pki"

new_ca() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
    -keyout "$pki/$1.key" -out "$pki/$1.pem" 2>/dev/null
}

new_certificate() { # CA NAME SUBJECT [EXTENSION]
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" \
    -keyout "$pki/$2.key" -out "$pki/$2.csr" 2>/dev/null
  openssl x509 -req -in "$pki/$2.csr" -CA "$pki/$1.pem" -CAkey "$pki/$1.key" -CAcreateserial -days 2 \
    -extfile <(echo "${4:-basicConstraints=CA:FALSE}") -out "$pki/$2.pem" 2>/dev/null
  cat "$pki/$2.pem" "$pki/$2.key" >"$pki/$2.both"
}

new_ca ca
new_ca strangers
new_certificate ca first /CN=gw.example subjectAltName=DNS:gw.example
new_certificate ca second /CN=gw.example subjectAltName=DNS:gw.example
new_certificate ca alice "/O=Example/CN=alice" subjectAltName=email:alice@example.org
new_certificate ca host "/O=Example/CN=host" subjectAltName=DNS:host.example.org
new_certificate strangers mallory /CN=alice
use_certificate() { # NAME: what the configuration names is replaced, as a renewal does it
  cp "$pki/$1.pem" "$pki/gateway.pem"
  cp "$pki/$1.key" "$pki/gateway.key"
}
use_certificate first

tls() { # [option=value ...] MODE, from client4
  on client4 timeout 60 "$python" "$e2e/tls.py" "${gateway_at:-192.0.2.1:1081}" "ca=$pki/ca.pem" "$@"
}

start_gateway gateway <<END
tls = [::]:1081
tls = 0.0.0.0:1081
[tls]
certificate = $pki/gateway.pem
key = $pki/gateway.key
detect = yes
[workers]
start = 8
[access]
rule = permit from *
END
log=$work/gateway.log
hello="Hello! This is the web server; your connection came from 198.51.100.1."

# ---- getting through -----------------------------------------------------------------------------

equal "a fetch inside TLS 1.3" "$hello" "$(tls fetch)"
equal "a fetch inside TLS 1.2" "$hello" "$(tls version=1.2 fetch)"
matches "the log names the version" "tls=TLSv1.2 .*result=ok" "$log"
gateway_at=192.0.2.1:1080
equal "TLS is recognised on a socks listener" "$hello" "$(tls fetch)"
unset gateway_at
equal "which serves plain clients as well" "$hello" \
  "$(on client4 curl -sS -m 10 --socks5 192.0.2.1:1080 http://198.51.100.2/)"
equal "a handshake that comes octet by octet" 0 "$(tls octets)"
equal "a direction that ends inside TLS leaves the other open" \
  "10 octets, SHA-256 $(printf 'last words' | sha256sum | cut -d' ' -f1)" "$(tls half)"

on client4 socat TCP-LISTEN:1079,bind=127.0.0.1,fork,reuseaddr \
  "OPENSSL:192.0.2.1:1081,cafile=$pki/ca.pem,commonname=gw.example" >"$work/socat.log" 2>&1 &
disown $!
wait_listening client4 1079 socat
sum=$(on server4 curl -sS http://127.0.0.1/random/50000000.sha256)
equal "curl behind socat: 50 MB arrive whole" "$sum" "$(on client4 curl -sS -m 50 \
  --socks5-hostname 127.0.0.1:1079 http://only4.example/random/50000000 | sha256sum | cut -d' ' -f1)"
equal "and 50 MB leave whole" "$sum" "$(on server4 curl -sS http://127.0.0.1/random/50000000 |
  on client4 curl -sS -m 50 -T - --socks5-hostname 127.0.0.1:1079 http://only4.example/)"

by_hand() { # s_client, and a request for the web server through it
  { printf '\5\1\0\5\1\0\1\306\63\144\2\0\120GET / HTTP/1.0\r\n\r\n'; sleep 1; } |
    on client4 openssl s_client -connect 192.0.2.1:1081 -CAfile "$pki/ca.pem" -verify_return_error \
      -verify_hostname gw.example -quiet 2>&1
}
by_hand >"$work/by_hand.txt"
check "openssl s_client by hand" grep -q "This is the web server" "$work/by_hand.txt"
printf 'GET / HTTP/1.0\r\n\r\n' | on client4 timeout 5 nc 192.0.2.1 1081 >"$work/garbage" 2>&1
matches "octets that are no TLS end the session" 'reason="TLS handshake: http request' "$log"
equal "UDP ASSOCIATE is refused: its datagrams would be in the clear" 2 "$(tls udp)"
matches "and the log says so" 'command=udp .*result=denied .*would not be protected' "$log"

# ---- tickets -------------------------------------------------------------------------------------

workers_of() { # how many workers served the relays in the log from this line on
  tail -n "+$1" "$log" | grep -o 'relay=[0-9]*' | sort -u | wc -l
}
relays_are() { # NUMBER, in the log from this line on
  [ "$(tail -n "+$2" "$log" | grep -c relay=)" = "$1" ]
}

line=$(($(wc -l <"$log") + 1))
equal "TLS 1.3: six sessions at once, five of them resumed" 5 "$(tls resume)"
check "the log has all six" wait_until 5 relays_are 6 "$line"
equal "each by a worker of its own" 6 "$(workers_of "$line")"
equal "TLS 1.2: as well" 5 "$(tls version=1.2 resume)"

session() { # -sess_out FILE | -sess_in FILE
  sleep 1 | on client4 openssl s_client -connect 192.0.2.1:1081 -CAfile "$pki/ca.pem" "$@" 2>/dev/null
}
session -sess_out "$work/session" >/dev/null

# ---- reload --------------------------------------------------------------------------------------

serial() {
  openssl x509 -noout -serial <<<"$(on client4 openssl s_client -connect 192.0.2.1:1081 </dev/null 2>/dev/null)"
}

use_certificate second
kill -HUP "${gateway_pid[gateway]}"
matches "a new certificate is taken with SIGHUP" "event=reloaded" "$log"
equal "clients see it" "$(openssl x509 -noout -serial -in "$pki/second.pem")" "$(serial)"
session -sess_in "$work/session" >"$work/resumed.txt"
check "a session from before the reload is resumed" grep -q "^Reused, " "$work/resumed.txt"

cp "$pki/first.key" "$pki/gateway.key"
kill -HUP "${gateway_pid[gateway]}"
matches "a key of another certificate is refused" "reload failed.*gateway.key: key values mismatch" "$log"
echo nonsense >"$pki/gateway.pem"
kill -HUP "${gateway_pid[gateway]}"
matches "so is a file that holds none" "reload failed.*gateway.pem: " "$log"
equal "and the old one still serves" "$hello" "$(tls fetch)"
use_certificate first
openssl ec -in "$pki/first.key" -aes128 -passout pass:secret -out "$pki/gateway.key" 2>/dev/null
refute "--check sees a key that only a person could open" \
  on gateway "$crossgate" --check -f "$work/gateway.conf" </dev/null
use_certificate first
check "--check is content with the right ones" on gateway "$crossgate" --check -f "$work/gateway.conf"

equal "no core file can hold the key" "Max core file size 0 0 bytes" \
  "$(tr -s ' ' <"/proc/${gateway_pid[gateway]}/limits" | grep core | sed 's/ $//')"
refute "and no log does" grep -qF "$(sed -n 2p "$pki/first.key")" "$log"

# ---- a crowd -------------------------------------------------------------------------------------

equal "a thousand relays inside TLS at once" 1000 "$(tls crowd)"

# ---- certificates of clients ---------------------------------------------------------------------

stop_gateway gateway
start_gateway gateway <<END
tls = 0.0.0.0:1081
[tls]
certificate = $pki/first.both
minimum = 1.3
client-ca = $pki/ca.pem
client-certificate = required
user = common-name
[access]
rule = permit from * user alice
END
equal "a client with a certificate gets through" "$hello" "$(tls "cert=$pki/alice.both" fetch)"
matches "and its name is the user's" "user=alice tls=TLSv1.3 .*result=ok" "$log"
equal "resumed, it is still itself" 5 "$(tls "cert=$pki/alice.both" resume)"
refute "TLS 1.2 is refused where 1.3 is the minimum" tls version=1.2 "cert=$pki/alice.both" fetch
matches "the log says why" 'result=malformed reason="TLS handshake: .*protocol"' "$log"
refute "a client without one is refused" tls fetch
matches "the log says why" 'result=denied reason="TLS handshake: peer did not return a certificate"' "$log"
refute "a certificate of another CA is refused" tls "cert=$pki/mallory.both" fetch
matches "the log says why" 'result=denied reason="TLS certificate: ' "$log"

sed -i 's/^client-certificate = .*/client-certificate = optional/; s/ user alice$//; s/common-name/email/' \
  "$work/gateway.conf"
stop_gateway gateway
launch_gateway gateway
equal "where it is optional, a client without one gets through" "$hello" "$(tls fetch)"
equal "and one that has one" "$hello" "$(tls "cert=$pki/alice.both" fetch)"
matches "under the name in its subjectAltName" "user=alice@example.org tls" "$log"
refute "one that does not verify is still refused" tls "cert=$pki/mallory.both" fetch
refute "so is one without such a name" tls "cert=$pki/host.both" fetch
matches "the log says why" "result=denied reason=\"the client's certificate does not name a user\"" "$log"

relaunch() { # SED-SCRIPT: with another configuration
  sed -i "$1" "$work/gateway.conf"
  stop_gateway gateway
  launch_gateway gateway
}
relaunch 's/^user = email/user = subject/'
equal "user = subject" "$hello" "$(tls "cert=$pki/alice.both" fetch)"
matches "is the distinguished name" 'user="CN=alice,O=Example" tls' "$log"
relaunch 's/^user = subject/user = dns/; s/^\[tls\]/&\nudp = yes/'
equal "user = dns" "$hello" "$(tls "cert=$pki/host.both" fetch)"
matches "is the host name in subjectAltName" "user=host.example.org tls" "$log"
refute "which alice has not" tls "cert=$pki/alice.both" fetch
equal "udp = yes: UDP ASSOCIATE inside TLS" 0 "$(tls udp)"

refute "a TLS listener without a certificate is no configuration" \
  on gateway "$crossgate" --check --listen.tls=127.0.0.1:1081

# ---- ciphers -------------------------------------------------------------------------------------

# With a key of RSA, which the ciphers without forward secrecy need.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=gw.example \
  -keyout "$pki/rsa.key" -out "$pki/rsa.pem" 2>/dev/null
stop_gateway gateway
start_gateway gateway <<END
tls = 0.0.0.0:1081
[access]
rule = permit from *
[tls]
certificate = $pki/rsa.pem
key = $pki/rsa.key
END
speaks() { # CIPHER: of TLS 1.2
  on client4 timeout 10 openssl s_client -connect 192.0.2.1:1081 -tls1_2 -cipher "$1" </dev/null
}
check "a cipher with forward secrecy that authenticates" speaks ECDHE-RSA-AES128-GCM-SHA256
refute "by default none without forward secrecy" speaks AES128-GCM-SHA256
refute "nor one that does not authenticate what it encrypts" speaks ECDHE-RSA-AES128-SHA
refute "nor one that is neither" speaks AES128-SHA
echo "ciphers = AES128-SHA:TLS_AES_128_CCM_SHA256:AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA" >>"$work/gateway.conf"
relaunch ""
for each in AES128-GCM-SHA256 ECDHE-RSA-AES128-SHA AES128-SHA; do check "tls.ciphers: $each" speaks $each; done
refute "and no other" speaks ECDHE-RSA-AES128-GCM-SHA256
check "the order is the Gateway's" \
  answers "Cipher is AES128-SHA" speaks ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256:AES128-SHA
check "those of TLS 1.3 are in the list" answers "Cipher is TLS_AES_128_CCM_SHA256" on client4 \
  openssl s_client -connect 192.0.2.1:1081 -ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_SHA256
sed -i 's/^ciphers = .*/&:TYPO/' "$work/gateway.conf"
"$crossgate" --check -f "$work/gateway.conf" 2>"$work/said"
equal "--check sees a name that is none, beside good ones" 1 $?
matches "and tells it" "tls.ciphers: 'TYPO'" "$work/said"
finish
