#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# socksify to a gateway behind TLS: the private gateway that it starts, what it checks, who can use it, what it tells,
# and that nothing of it is left.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need openssl curl dnsmasq nc ss setpriv
topology
start_services server6
# The client knows its Gateway from its own files, and nobody to ask for other names.
on client4 "$BASH" -c 'echo "192.0.2.1 gw.example other.example" >>/etc/hosts'

pki=$work/pki
mkdir "$pki"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=ca" \
  -keyout "$pki/ca.key" -out "$pki/ca.pem" 2>/dev/null
new_certificate() { # NAME SUBJECT EXTENSION DAYS
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
    -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.pem" -CAkey "$pki/ca.key" -CAcreateserial -days "$4" \
    -extfile <(echo "$3") -out "$pki/$1.pem" 2>/dev/null
}
new_certificate gateway /CN=gw.example subjectAltName=DNS:gw.example 2
new_certificate expired /CN=gw.example subjectAltName=DNS:gw.example -1
new_certificate alice /CN=alice basicConstraints=CA:FALSE 2

printf 'right\n' | "$crossgate" passwd "$work/passwords" alice
start_gateway gateway <<END
tls = 0.0.0.0:1081
[tls]
certificate = $pki/gateway.pem
key = $pki/gateway.key
client-ca = $pki/ca.pem
[auth]
method = userpass from * listen tls
password-file = $work/passwords
[access]
rule = permit to 0.0.0.0 command bind user alice
rule = permit from * user alice
[external]
address = 198.51.100.1
END
log=$work/gateway.log
hello="Hello! This is the web server; your connection came from 2001:db8:d::1."

conf=$work/socksify.conf
through() { # GATEWAY OPTION... from client4: socksify with what the config says
  on client4 env "SOCKS5_SERVER=$1" SOCKS5_USER=alice "SOCKS5_PASSWD=${password:-right}" "$socksify" -c "$conf" "${@:2}" 2>&1
}
fetch() { # GATEWAY [OPTION...]
  through "$@" curl -4 -sS -m 10 http://only6.example/
}
echo "ca = $pki/ca.pem" >"$conf"

equal "an IPv4-only program reaches an IPv6-only server by TLS" "$hello" "$(fetch tls://gw.example:1081)"
matches "as the user, inside TLS" "user=alice auth=userpass tls=TLSv1.3 .*to=only6.example:80 .*result=ok" "$log"
private_left() { pgrep -f "crossgate --foreground -f /proc/self/fd" >/dev/null; }
nothing_private() { ! private_left; }
check "nothing of the private gateway is left" wait_until 15 nothing_private

# ---- BIND and UDP --------------------------------------------------------------------------------

printf '%s\n' "ca = $pki/ca.pem" "bind = always" >"$conf"
cat >"$work/called.py" <<'END'
import socket
listener = socket.socket()
listener.bind(("0.0.0.0", 0))
listener.listen()
print(*listener.getsockname(), flush=True)
caller = listener.accept()[0]
caller.sendall(caller.recv(100).upper())
END
through tls://gw.example:1081 "$python" "$work/called.py" >"$work/called.txt" &
disown $!
wait_until 10 grep -q ' ' "$work/called.txt"
read -r place port <"$work/called.txt"
equal "a program that listens is called at the Gateway" "198.51.100.1 HELLO" "$place $(
  on server4 timeout 10 "$BASH" -c 'exec 3<>"/dev/tcp/$0/$1"; echo -n hello >&3; cat <&3' "$place" "$port" 2>&1)"
matches "by BIND, inside TLS" "user=alice auth=userpass tls=TLSv1.3 command=bind .*result=ok" "$log"
echo "ca = $pki/ca.pem" >"$conf"
through tls://gw.example:1081 -v "$BASH" -c 'echo a datagram | nc -u -w 1 198.51.100.2 7' >"$work/bare.txt"
matches "TLS protects no datagrams: they are refused" "TLS does not protect datagrams" "$work/bare.txt"

refuse() { # WHAT GATEWAY REASON
  local said
  said=$(fetch "$2" -v)
  if grep -Eq "socksify: private gateway: .*$3" <<<"$said" && ! grep -q Hello <<<"$said"; then ok "$1"; else not_ok "$1: $said"; fi
}
refuse "a name that the certificate does not have" tls://other.example:1081 "[Hh]ostname mismatch"
equal "which is not told without -v" 1 "$(fetch tls://other.example:1081 | grep -c .)"
: >"$conf"
refuse "a CA that the system does not know" tls://gw.example:1081 "certificate"
echo "ca = $pki/ca.pem" >"$conf"
password=wrong refuse "a wrong password" tls://gw.example:1081 "refused the user name"
through tls://other.example:1081 --doctor only6.example:80 >"$work/wrong.txt"
matches "--doctor says what is wrong" "WRONG .*[Hh]ostname mismatch" "$work/wrong.txt"
through tls://gw.example:1081 --doctor only6.example:80 >"$work/well.txt"
matches "who is let in" "ok     authentication: user alice is good" "$work/well.txt"
matches "and that all is well" "ok .*connection to only6.example:80" "$work/well.txt"
echo "ca = $work/none.pem" >"$conf"
through tls://gw.example:1081 touch "$work/started" >/dev/null
equal "a file that is not there: socksify fails" 125 $?
refute "and nothing is started" [ -e "$work/started" ]
echo "ca = $pki/ca.pem" >"$conf"

# ---- who may use it ------------------------------------------------------------------------------

through tls://gw.example:1081 sleep 20 >/dev/null &
disown $!
wait_until 5 private_left
port=$(on client4 ss -Hntlp | sed -n 's/.*127.0.0.1:\([0-9]*\) .*crossgate.*/\1/p' | head -n 1)
use_it() { # COMMAND...: a plain SOCKS client of it
  on client4 "$@" curl -sS -m 5 --socks5-hostname "127.0.0.1:$port" http://only6.example/
}
equal "the same user may" "$hello" "$(use_it env 2>&1)"
if [ "$E2E_INSIDE" = root ]; then
  refute "another user may not" use_it setpriv --reuid=65534 --regid=65534 --clear-groups
fi
refute "no command line has the password" grep -qs right /proc/[0-9]*/cmdline

# ---- certificates --------------------------------------------------------------------------------

sed -i 's/^\[auth\]/client-certificate = required\n[auth]/' "$work/gateway.conf"
kill -HUP "${gateway_pid[gateway]}"
matches "a certificate is required from now on" "event=reloaded" "$log"
refuse "a client without one" tls://gw.example:1081 "certificate"
printf '%s\n' "ca = $pki/ca.pem" "certificate = $pki/alice.pem" "key = $pki/alice.key" >"$conf"
equal "and one that has it" "$hello" "$(fetch tls://gw.example:1081)"
sed -i "s|$pki/gateway|$pki/expired|" "$work/gateway.conf"
reloads=$(grep -c "event=reloaded" "$log")
reloaded_again() { [ "$(grep -c "event=reloaded" "$log")" -gt "$reloads" ]; }
kill -HUP "${gateway_pid[gateway]}"
check "the Gateway takes another one" wait_until 5 reloaded_again
refuse "an expired certificate" tls://gw.example:1081 "expired"

# ---- what --doctor says of authentication ----------------------------------------------------------

stop_gateway gateway
# An association is told of when it has ended, and by now all have.
refute "of datagrams the Gateway has not heard" grep -q command=udp "$log"
start_gateway gateway <<END
[auth]
method = none from 127.0.0.0/8
method = userpass from *
password-file = $work/passwords
[access]
rule = permit from *
END
diagnose() { # WHAT EXIT TEXT HOST GATEWAY [VARIABLE...]
  local said
  said=$(on "$4" env "SOCKS5_SERVER=$5" "${@:6}" "$socksify" --doctor only6.example:80 2>&1)
  equal "--doctor, $1: exit code" "$2" $?
  grep -Fqx -- "$3" <<<"$said" && ! grep -q secret <<<"$said" && ok "and what it says" || not_ok "not said: $3; but: $said"
}
diagnose "a good password" 0 "ok     authentication: user alice is let in by user name and password" \
  client4 192.0.2.1 SOCKS5_USER=alice SOCKS5_PASSWD=right
diagnose "a wrong one" 1 "WRONG  authentication: user alice: the server refused the user name or the password" \
  client4 192.0.2.1 SOCKS5_USER=alice SOCKS5_PASSWD=secret
diagnose "nobody" 1 \
  "WRONG  authentication: no user: the server accepts no client without authentication (give a user by -u or in the config)" \
  client4 192.0.2.1
diagnose "a gateway that wants none" 0 "ok     authentication: the gateway asks for none, and is not told of user alice" \
  gateway 127.0.0.1 SOCKS5_USER=alice SOCKS5_PASSWD=secret
service gateway "$work/mute.log" nc -l -k 127.0.0.1 1082
wait_listening gateway 1082 nc
echo "timeout = 1" >"$conf"
diagnose "what is no SOCKS server" 1 "WRONG  authentication: no user: the gateway gave no answer" \
  gateway 127.0.0.1:1082 SOCKSIFY_CONF="$conf"
finish
