#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Other people's SOCKS clients on the Gateway: curl in four dialects, Tor's RESOLVE, Dante's client with FTP, dig and nc.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq
topology
start_services server4
start_services server6

# A name that the rules deny, and another one of the same host.
echo "203.0.113.7 secret.example open.example" >>"$work/gateway.hosts"
start_gateway gateway <<END
socks = 0.0.0.0:1084 version 4
socks = 0.0.0.0:1085 version 5
[resolver]
nameserver = 127.0.0.1
[access]
rule = deny user socks4:mallory
rule = deny to secret.example command resolve
rule = permit
END
log=$work/gateway.log

# ---- curl ---------------------------------------------------------------------------------------

fetches() { # WHAT CLIENT FROM OPTION... : the page, as the server sees the Gateway
  local what=$1 client=$2 from=$3
  shift 3
  check "curl $what" answers "came from $from." on "$client" curl -sS -m 10 "$@"
}
fails() { # WHAT CURL-EXIT-CODE OPTION...
  local what=$1 code=$2
  shift 2
  on client4 curl -sS -m 10 -o /dev/null "$@" 2>/dev/null
  equal "curl $what" "$code" $?
}
fetches "--socks4" client4 198.51.100.1 --socks4 192.0.2.1:1080 http://198.51.100.2/
fetches "--socks4 with a user id" client4 198.51.100.1 --socks4 alice@192.0.2.1:1080 http://198.51.100.2/
matches "the user id is in the log" 'user=socks4:alice command=connect' "$log"
fetches "--socks4a" client4 198.51.100.1 --socks4a 192.0.2.1:1080 http://only4.example/
fetches "--socks4a, a name that has only an IPv6 address" client4 2001:db8:d::1 --socks4a 192.0.2.1:1080 http://only6.example/
fetches "--socks5" client4 198.51.100.1 --socks5 192.0.2.1:1080 http://198.51.100.2/
fetches "--socks5, IPv6" client6 2001:db8:d::1 --socks5 "[2001:db8:c::1]:1080" "http://[2001:db8:d::2]/"
fetches "--socks5-hostname" client4 2001:db8:d::1 --socks5-hostname 192.0.2.1:1080 http://only6.example/
fetches "--socks5-hostname from IPv6 to IPv4" client6 198.51.100.1 --socks5-hostname "[2001:db8:c::1]:1080" http://only4.example/
fails "--socks4a, a name that does not exist" 97 --socks4a 192.0.2.1:1080 http://nowhere.example/
fails "--socks4, a user id that the rules deny" 97 --socks4 mallory@192.0.2.1:1080 http://198.51.100.2/
matches "the rule is named" 'user=socks4:mallory .*result=denied' "$log"
fetches "--socks4 where only SOCKS4 is served" client4 198.51.100.1 --socks4 192.0.2.1:1084 http://198.51.100.2/
fetches "--socks5 where only SOCKS5 is served" client4 198.51.100.1 --socks5 192.0.2.1:1085 http://198.51.100.2/
fails "--socks5 where only SOCKS4 is served" 97 --socks5 192.0.2.1:1084 http://198.51.100.2/
fails "--socks4 where only SOCKS5 is served" 97 --socks4 192.0.2.1:1085 http://198.51.100.2/

# ---- Tor's clients --------------------------------------------------------------------------------

if have "tor-resolve" tor-resolve; then
  resolves() { # WHAT ANSWER OPTION...
    equal "tor-resolve: $1" "$2" "$(on client4 tor-resolve "${@:3}" 192.0.2.1:1080 2>/dev/null)"
  }
  resolves "an IPv4 address" 198.51.100.2 -5 only4.example
  resolves "an IPv6 address" 2001:db8:d::2 -5 only6.example
  resolves "a name with both" 198.51.100.2 -5 both.example
  resolves "a name of the gateway's own hosts file" 203.0.113.7 -5 open.example
  resolves "the name of an address" only4.example -x 198.51.100.2
  resolves "by SOCKS4A" 198.51.100.2 -4 only4.example
  refute "tor-resolve: by SOCKS4A, which has no room for an IPv6 address" on client4 tor-resolve -4 only6.example 192.0.2.1:1080
  refute "tor-resolve: a name that does not exist" on client4 tor-resolve -5 nowhere.example 192.0.2.1:1080
  refute "tor-resolve: an address without a name" on client4 tor-resolve -x 203.0.113.9 192.0.2.1:1080
  refute "tor-resolve: a name that the rules deny" on client4 tor-resolve -5 secret.example 192.0.2.1:1080
  matches "the log says so" 'command=resolve to=secret.example:0 .*result=denied' "$log"
  matches "the log tells the answer" 'command=resolve to=only6.example:0 address=\[2001:db8:d::2\]:0 .*result=ok' "$log"
  matches "the log tells that there is none" 'command=resolve to=nowhere.example:0 .*result=no-such-name' "$log"
fi

if have "torsocks" torsocks; then
  printf 'TorAddress 192.0.2.1\nTorPort 1080\n' >"$work/torsocks.conf"
  tor() { on client4 env TORSOCKS_CONF_FILE="$work/torsocks.conf" torsocks "$@"; }
  check "torsocks curl, by name" answers "came from 198.51.100.1." tor curl -sS -m 10 http://only4.example/
  check "torsocks curl, by address" answers "came from 198.51.100.1." tor curl -sS -m 10 http://198.51.100.2/
  tor curl -sS -m 10 http://nowhere.example/ >/dev/null 2>&1
  equal "torsocks curl: a name that does not exist (curl's 6: could not resolve)" 6 $?
fi

# ---- Dante's client ---------------------------------------------------------------------------------

if have "Dante's client" /usr/bin/socksify; then
  cat >"$work/dante.conf" <<END
logoutput: stderr
resolveprotocol: fake
route { from: 0.0.0.0/0 to: 0.0.0.0/0 via: 192.0.2.1 port = 1080
  proxyprotocol: socks_v5
  protocol: tcp udp
  command: bind connect udpassociate
}
END
  dante() { on client4 env SOCKS_CONF="$work/dante.conf" timeout 20 /usr/bin/socksify "$@"; }
  check "Dante: curl" answers "came from 198.51.100.1." dante curl -4 -sS -m 10 http://only4.example/

  if have "Dante: FTP" vsftpd && have "Dante: FTP" tnftp; then
    mkdir -p "$work/ftp"
    head -c 300000 /dev/urandom >"$work/ftp/file"
    start_ftp server4
    ftp_gets() { # OPTION FILE
      rm -f "$work/$2"
      printf 'open 198.51.100.2\nuser anonymous e2e@\nbinary\nget file %s\nbye\n' "$work/$2" |
        dante tnftp -n "$1" && cmp "$work/ftp/file" "$work/$2"
    }
    check "Dante: tnftp, passive" ftp_gets -p passive
    check "Dante: tnftp, active" ftp_gets -A active
    matches "the active transfer went through BIND" 'command=bind to=198.51.100.2:[0-9]+ address=198.51.100.2:[0-9]+ .*result=ok .*received=300000' "$log"
  fi

  name_server server4 "$work/dns4.log" 53 --bind-interfaces --listen-address=198.51.100.2 \
    --host-record=asked.example,203.0.113.5
  # dig sends by sendmmsg where there is one; Dante's client knows only the older calls.
  if have "Dante: dig" dig && have "Dante: dig" strace; then
    check "Dante: dig" answers 203.0.113.5 dante strace -f -qq -o /dev/null -e inject=sendmmsg:error=ENOSYS \
      dig +short +tries=1 +time=5 @198.51.100.2 asked.example
    matches "the question went through an association" 'command=udp .*result=ok .*datagrams-sent=1 datagrams-received=1' "$log"
  fi
  if have "Dante: nc -u" nc; then
    service server4 "$work/echo.log" socat UDP4-RECVFROM:7010,fork PIPE
    wait_listening server4 7010 socat --udp
    says_and_hears() { answers "a datagram" dante "$BASH" -c 'echo a datagram | nc -u -w 2 198.51.100.2 7010'; }
    check "Dante: nc -u" says_and_hears
  fi
fi
finish
