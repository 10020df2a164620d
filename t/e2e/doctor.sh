#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# crossgate doctor: a host on which nothing is wrong, and each fault that it tells.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need openssl dnsmasq ss ip setpriv
topology
service server4 "$work/server4.log" "$python" "$e2e/serve.py" echo:1081
wait_listening server4 1081 "the hop"

conf=$work/gateway.conf
said=$work/said
doctor() { # EXIT WHAT [OPTION...]: the configuration is the standard input
  local wanted=$1 what=$2
  shift 2
  cat >"$conf"
  on gateway timeout 20 "${under[@]}" "$crossgate" -f "$conf" "$@" >"$said" 2>&1
  equal "$what: exit $wanted" "$wanted" $?
}
under=()
says() { # PATTERN
  grep -Eq -- "$1" "$said" || { not_ok "no line matches $1"; sed 's/^/#   /' "$said"; return 1; }
  ok "it says $1"
}
pki=$work/pki
mkdir "$pki"
certificate() { # NAME DAYS: negative ones have passed
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=gw -keyout "$pki/$1.key" -out "$pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$pki/$1.csr" -key "$pki/$1.key" -days "$2" -out "$pki/$1.pem" 2>/dev/null
  chmod 600 "$pki/$1.key"
}
certificate good 90
certificate short 3
certificate past -1
certificate other 90
printf 'alice:secret\n' >"$work/login"
chmod 600 "$work/login"
"$crossgate" passwd "$work/passwd.crossgate" alice <<<"secret"

# ---- all is well -------------------------------------------------------------------------------------
healthy() { # a configuration that lacks nothing, and what is added to its sections
  cat <<END
pid-file = $work/gateway.pid
[listen]
socks = 0.0.0.0:1080
socks = lo:1082
[auth]
method = none
password-file = $work/passwd.crossgate
[external]
address = 198.51.100.1
[tls]
certificate = $pki/${1:-good}.pem
key = $pki/${2:-good}.key
[route]
via = socks5://@$work/login@198.51.100.2:1081
END
}
doctor 0 "a healthy host" doctor only4.example < <(healthy)
says "^ok    listen: 0\.0\.0\.0:1080 can be bound"
says "^ok    listen: \[::1\]:1082 of interface lo can be bound"
says "^note  no crossgate holds"
says "^ok    external.address: 198\.51\.100\.1 can be bound"
says "^note  route: this host has no default route for ipv6"
says "^ok    limits: .* descriptors"
says "^ok    names: the system's name servers answer"
says "^ok    rights: .*passwd.crossgate"
says "^ok    certificate: .* valid until"
says "^ok    hop: socks5://198\.51\.100\.2:1081 accepts"
refute "it says nothing else" grep -Ev "^(ok   |note ) " "$said"

launch_gateway gateway
doctor 0 "beside the gateway that it examines" doctor only4.example < <(healthy)
says "^note  crossgate runs, as process ${gateway_pid[gateway]}"
says "^ok    listen: 0\.0\.0\.0:1080 is held by the running crossgate ${gateway_pid[gateway]}"
doctor 1 "another configuration beside it" doctor only4.example <<<$'[listen]\nsocks = 0.0.0.0:1080'
says "^WRONG listen: 0\.0\.0\.0:1080: bind: Address already in use"
stop_gateway gateway

# ---- faults ------------------------------------------------------------------------------------------
doctor 1 "a mistake in the configuration" doctor <<<$'[workers]\nmax = many\n[listen]\nsocks = nowhere'
equal "each mistake has its line" 2 "$(grep -c "^WRONG configuration: $conf:" "$said")"

service gateway "$work/squatter.log" "$python" "$e2e/serve.py" echo:1090
wait_listening gateway 1090 "the squatter"
doctor 1 "addresses" doctor only4.example <<END
[listen]
socks = 0.0.0.0:1090
socks = 203.0.113.9:1080
socks = absent0:1080
[external]
address = 203.0.113.7
[resolver]
prefer = ipv6-only
[bind]
advertise = 203.0.113.8
END
says "^WRONG listen: 0\.0\.0\.0:1090: bind: Address already in use"
says "^note  listen: 203\.0\.113\.9:1080 is no address of this host"
says "^note  listen: interface absent0 is not there"
says "^WRONG external.address: 203\.0\.113\.7: .*assign"
says "^note  bind.advertise: 203\.0\.113\.8 is no address of this host"
says "^WRONG route: this host has no default route for ipv6"

doctor 1 "peers that do not answer" doctor only4.example <<END
[resolver]
nameserver = 127.0.0.1:53
nameserver = 127.0.0.1:54
[route]
via = socks5://198.51.100.2:1099
END
says "^ok    names: name server 127\.0\.0\.1:53 answers"
says "^WRONG names: name server 127\.0\.0\.1:54: "
says "^WRONG hop: socks5://198\.51\.100\.2:1099: .*refused"

chmod 644 "$work/login" "$work/passwd.crossgate" "$pki/other.key"
doctor 1 "secrets that everybody may read" doctor only4.example < <(healthy other other)
for file in login passwd.crossgate other.key; do says "^WRONG rights: .*$file.*everybody may read it"; done
chmod 600 "$work/login" "$work/passwd.crossgate"
healthy >"$conf"
chmod 644 "$conf"
doctor 1 "a password in the configuration" doctor only4.example < <(healthy | sed "s|@.*login@|alice:secret@|")
says "^WRONG rights: $conf .*everybody may read it"
refute "which it does not tell" grep -q secret "$said"

doctor 0 "a certificate that ends soon" doctor only4.example < <(healthy short short)
says "^note  certificate: .*short.pem expires at"
doctor 1 "the key of another certificate" doctor only4.example < <(healthy good short)
says "^WRONG secrets: .*short.key"
doctor 1 "a certificate that has expired" doctor only4.example < <(healthy past past)
says "^WRONG certificate: .*past.pem has expired at"

# shellcheck disable=SC2016 # for the inner shell
under=("$BASH" -c 'ulimit -n 256 && exec setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "$@"' -)
doctor 1 "few descriptors" doctor only4.example < <(healthy)
says "^WRONG limits: 256 are granted of the 1600 descriptors"
finish
