#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The GSSAPI method with a Kerberos realm of its own: curl, and a client on MIT Kerberos that can do
# all of it; every level of protection; who has no ticket, replays or forges stays out.
#
# Debian builds Dante's client without GSSAPI.  DANTE_GSSAPI=/path/to/socksify names one that has it
# (./configure --with-gssapi --disable-server, of Dante's own source).
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
isolate "$@"
need krb5kdc kadmin.local kinit curl dnsmasq ss openssl
$python -c 'import gssapi' 2>/dev/null || skip_all "missing tool: python3-gssapi"
topology
start_services server4

# ---- a realm -------------------------------------------------------------------------------------

export KRB5_CONFIG=$work/krb5.conf KRB5_KDC_PROFILE=$work/kdc.conf KRB5RCACHEDIR=$work/replays KRB5CCNAME=FILE:$work/tickets
mkdir -m 1777 "$KRB5RCACHEDIR"
cat >"$KRB5_CONFIG" <<END
[libdefaults]
default_realm = EXAMPLE.TEST
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
[realms]
EXAMPLE.TEST = {
  kdc = 192.0.2.1:88
}
END
cat >"$KRB5_KDC_PROFILE" <<END
[kdcdefaults]
kdc_listen = 192.0.2.1:88
kdc_tcp_listen = 192.0.2.1:88
[realms]
EXAMPLE.TEST = {
  database_name = $work/principals
  key_stash_file = $work/stash
  acl_file = $work/acl
}
[logging]
kdc = FILE:$work/kdc.log
END
{
  kdb5_util create -s -r EXAMPLE.TEST -P master
  kadmin.local -q "addprinc -pw secret alice"
  kadmin.local -q "addprinc -randkey rcmd/gw.example"
  kadmin.local -q "addprinc -randkey rcmd/other.example"
  kadmin.local -q "ktadd -k $work/keytab rcmd/gw.example"
} >"$work/realm.log" 2>&1 || bail "no realm"
service gateway "$work/kdc.out.log" krb5kdc -n
wait_listening gateway 88 krb5kdc
echo secret | on client4 kinit alice >"$work/kinit.log" 2>&1 || bail "no ticket"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=gw -addext subjectAltName=DNS:gw.example \
  -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
# A user namespace has no second user.
as_user=()
[ "$E2E_INSIDE" != root ] || as_user=(--user=nobody)
start_gateway gateway "${as_user[@]}" <<END
tls = 192.0.2.1:1084
[tls]
certificate = $work/certificate.pem
key = $work/key.pem
[auth]
method = gssapi from *
[gssapi]
keytab = $work/keytab
protection = confidentiality,integrity,none
nec = yes
[access]
rule = permit from * user alice@EXAMPLE.TEST
END
# The client knows its Gateway from its own files: the ticket is one for that name.
on client4 "$BASH" -c 'echo "192.0.2.1 gw.example" >>/etc/hosts'
log=$work/gateway.log
hello="Hello! This is the web server; your connection came from 198.51.100.1."

gss() { # [option=value ...] MODE, from client4
  on client4 timeout 60 "$python" "$e2e/gss.py" 192.0.2.1:1080 "$@" 2>&1
}
with_curl() { # OPTION...
  on client4 curl -sS -m 20 --proxy socks5h://192.0.2.1:1080 --socks5-gssapi \
    --socks5-gssapi-service rcmd/gw.example "$@" http://only4.example/ 2>&1
}

# ---- getting through -----------------------------------------------------------------------------

equal "encrypted" "2 $hello" "$(gss level=2 fetch)"
matches "the log names principal and protection" \
  "user=alice@EXAMPLE.TEST auth=gssapi gssapi=confidentiality .*result=ok" "$log"
equal "with integrity alone" "1 $hello" "$(gss level=1 fetch)"
equal "the level may come unwrapped" "2 $hello" "$(gss level=2 nec=yes fetch)"
equal "who wants each message as he likes gets encryption" "2 $hello" "$(gss level=3 fetch)"
equal "20 MB both ways at once, encrypted" whole "$(gss bulk)"
equal "20 MB both ways at once, with integrity" whole "$(gss level=1 bulk)"
equal "a conversation that comes octet by octet" 0 "$(gss octets)"

service server4 "$work/udp.log" "$python" -c 'import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("", 7))
while True:
    data, peer = echo.recvfrom(65536)
    echo.sendto(data, peer)'
wait_listening server4 7 "the echo of datagrams" --udp
equal "datagrams are protected as well: a repeated one and a bare one are dropped" "a datagram" "$(gss udp)"

equal "who wants no protection, as curl does" "0 $hello" "$(gss level=0 fetch)"
equal "the same, unwrapped" "0 $hello" "$(gss level=0 nec=yes fetch)"
matches "the log says that nothing is protected" "gssapi=none .*result=ok" "$log"

# Some curls (7.88 is one) forget that they may do GSSAPI when the Gateway's choice of it is not there at once, and give
# up, whatever the server, once the method has succeeded: with them its success is what can be seen.
curl_tries() { # OPTION...
  with_curl -v "$@" >"$work/curl.txt"
  grep -qF "$hello" "$work/curl.txt" || {
    grep -q "Undocumented SOCKS5 mode attempted" "$work/curl.txt" &&
      grep -q "authenticated user alice@EXAMPLE.TEST with GSS-API" "$work/curl.txt" &&
      grep -q "SOCKS5 access .*granted" "$work/curl.txt"
  }
}
curl_succeeds() { # OPTION...
  wait_until 10 curl_tries "$@" || { cat "$work/curl.txt"; false; }
}
# curl 7.88 goes by an octet it never set, and then may say that it has no GSSAPI at all.
for option in "" --socks5-gssapi-nec; do
  # shellcheck disable=SC2086 # one word or none
  if curl_succeeds $option >"$work/curl.out" 2>&1; then
    ok "curl --socks5-gssapi $option"
  elif grep -q "per-message authentication is not supported" "$work/curl.txt"; then
    skip "curl --socks5-gssapi $option" "optional: this curl gives up by itself"
  else
    not_ok "curl --socks5-gssapi $option: $(cat "$work/curl.txt")"
  fi
done

# ---- Dante's client -------------------------------------------------------------------------------

if [ -n "${DANTE_GSSAPI:-}" ]; then
  dante() { # ENCTYPE PROTOCOL COMMAND...
    cat >"$work/dante.conf" <<END
logoutput: stderr
resolveprotocol: fake
route { from: 0.0.0.0/0 to: 0.0.0.0/0 via: gw.example port = 1080
  proxyprotocol: socks_v5
  protocol: $2
  command: bind connect udpassociate
  method: gssapi
  gssapi.servicename: rcmd
  gssapi.enctype: $1
}
END
    on client4 env SOCKS_CONF="$work/dante.conf" timeout 20 "$DANTE_GSSAPI" "${@:3}" 2>&1
  }
  dante_fetches() { answers "$hello" dante "$1" tcp curl -4 -sS -m 10 http://only4.example/; }
  for level in confidentiality integrity; do
    check "Dante's client, $level" dante_fetches $level
    matches "the log has it" "gssapi=$level .*to=only4.example:80 .*result=ok" "$log"
  done
  KRB5CCNAME=FILE:$work/none refute "Dante's client without a ticket" dante_fetches confidentiality
  dante_datagram() { answers "a datagram" dante confidentiality udp "$BASH" -c 'echo a datagram | nc -u -w 2 198.51.100.2 7'; }
  ! have "Dante's client: UDP" nc || check "Dante's client: UDP" dante_datagram
else
  skip "Dante's client" "optional: DANTE_GSSAPI names none"
fi

# ---- socksify ------------------------------------------------------------------------------------

echo "auth = gssapi" >"$work/socksify.conf"
socksified() { # COMMAND...
  on client4 env SOCKS5_SERVER=gw.example:1080 "$socksify" -c "$work/socksify.conf" "$@" 2>&1
}
socksified_fetch() { # [OPTION...]
  socksified "$@" curl -sS -m 20 http://only4.example/
}
encrypted_lines() { grep -c "gssapi=confidentiality .*to=only4.example:80 .*result=ok" "$log"; }
more_encrypted() { [ "$(encrypted_lines)" -gt "$1" ]; }
before=$(encrypted_lines)
equal "socksify with a ticket" "$hello" "$(socksified_fetch)"
check "which goes encrypted" wait_until 5 more_encrypted "$before"
socksified_datagram() {
  answers "a datagram" socksified "$BASH" -c 'echo a datagram | nc -u -w 2 198.51.100.2 7'
}
if have "socksify: UDP" nc; then
  check "socksify with a ticket: UDP" socksified_datagram
  matches "whose datagrams are sealed as well" \
    "user=alice@EXAMPLE.TEST auth=gssapi gssapi=confidentiality command=udp .*result=ok sent=11 received=11 .*datagrams-sent=1 datagrams-received=1 seconds" "$log"
fi
KRB5CCNAME=FILE:$work/none socksified_fetch -v >"$work/no-ticket.txt"
matches "without a ticket socksify says so" "private gateway: .*([Cc]redential|[Tt]icket)" "$work/no-ticket.txt"
refute "and nothing gets through" grep -q Hello "$work/no-ticket.txt"

# ---- who keeps the keytab dies ---------------------------------------------------------------------

# Only workers are SCHED_BATCH.
helper() { ps -o pid=,cls= --ppid "${gateway_pid[$1]}" | awk '$2 != "B" { print $1 }'; }
victim=$(helper gateway)
kill -KILL "$victim"
equal "kill -9 of the GSSAPI helper: a client waits for the next one" "2 $hello" "$(gss level=2 fetch)"
matches "the log says so" "event=\"GSSAPI helper died\" pid=$victim signal=9 name=SIGKILL" "$log"

# ---- staying out ---------------------------------------------------------------------------------

equal "a message that was changed ends the session" closed "$(gss garble)"
equal "so does one that came before" $'some words\nclosed' "$(gss again)"
equal "tokens of another connection are refused" aborted "$(gss replay)"
matches "the log says why" "result=denied reason=\"GSSAPI: Request is a replay\"" "$log"
equal "65,535 octets of nonsense are refused" aborted "$(gss huge)"
equal "a ticket for another service is refused" aborted "$(gss service=rcmd/other.example fetch)"
matches "the log says why" "result=denied reason=\"GSSAPI: .*other.example" "$log"
equal "who only claims to have one is not heard" aborted "$(KRB5CCNAME=FILE:$work/none gss bare)"
equal "who offers no GSSAPI has no method" "no method" "$(KRB5CCNAME=FILE:$work/none gss none)"
matches "the log says why" 'result=denied reason="the client offers no method that it may use"' "$log"
if [ "$E2E_INSIDE" = root ]; then
  equal "the keytab is root's, and no child of the master is root" nobody \
    "$(ps -o user= --ppid "${gateway_pid[gateway]}" | sort -u)"
fi

sed -i 's/^protection = .*/protection = integrity/; s/^nec = .*/nec = no\nuser = short/; s/ user alice@.*/ user alice/' \
  "$work/gateway.conf"
kill -HUP "${gateway_pid[gateway]}"
matches "other levels are taken with SIGHUP" "event=reloaded" "$log"
equal "who wants encryption is told there is integrity" "1 $hello" "$(gss level=2 fetch)"
matches "and goes by a short name" "user=alice auth=gssapi gssapi=integrity" "$log"
socksified_fetch -v >"$work/too-little.txt"
matches "socksify is content with nothing less than encryption" "protects less than confidentiality" \
  "$work/too-little.txt"
start_gateway client4 "--log.to=$work/hops.log" <<END
[access]
rule = permit to *,0.0.0.0/0,::/0
[route]
via = socks5+tls+gssapi://gw.example:1084 to 198.51.100.2
via = socks5+gssapi://gw.example:1080
gssapi = integrity
ca = $work/certificate.pem
END
by_hop() { # [HOST]
  on client4 curl -sS -m 20 --proxy socks5h://127.0.0.1:1080 "http://${1:-only4.example}/" 2>&1
}
equal "a gateway whose hop has to protect integrity alone" "$hello" "$(by_hop)"
equal "and one whose hop is inside TLS as well" "$hello" "$(by_hop 198.51.100.2)"
matches "which knows both" "tls=TLSv1.3 .*gssapi=integrity .*to=198.51.100.2:80 .*result=ok" "$log"
victim=$(helper client4)
kill -KILL "$victim"
equal "kill -9 of its helper: a relay waits for the next one" "$hello" "$(by_hop)"
matches "the log says so" "event=\"GSSAPI client helper died\" pid=$victim signal=9 name=SIGKILL" "$work/hops.log"
mv "$work/hops.log" "$work/hops.old"
kill -USR1 "${gateway_pid[client4]}"
matches "the log file is there again" 'event="log opened again"' "$work/hops.log"
check "its helper follows when the log file is renamed" wait_until 5 forgotten "$work/hops.old"
stop_gateway client4
service gateway "$work/plain.log" "$crossgate" --foreground --listen.socks=192.0.2.1:1090 "--access.rule=permit from *"
wait_listening gateway 1090 "the plain gateway"
sed -i 's|^via = socks5+gssapi.*|& \| socks5://gw.example:1090|' "$work/client4.conf"
KRB5CCNAME=FILE:$work/none launch_gateway client4 "--log.to=$work/hops.log"
equal "without a ticket the next hop serves" "$hello" "$(by_hop)"
matches "and the log says why" 'event="no credentials for hop" hop=socks5\+gssapi://.*reason=".*([Cc]redential|[Tt]icket)' \
  "$work/hops.log"
refute "the hop is not to blame: it is not down" grep 'event="hop down"' "$work/hops.log"
refute "who wants none is refused" gss level=0 fetch
matches "the log says why" "the client wants less protection than it must have" "$log"
refute "the level must be wrapped now" gss level=1 nec=yes fetch

mv "$work/keytab" "$work/keytab.away"
kill -HUP "${gateway_pid[gateway]}"
matches "a keytab that is not there keeps the old configuration" "reload failed.*keytab" "$log"
equal "which still serves" "1 $hello" "$(gss level=1 fetch)"
finish
