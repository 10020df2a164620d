#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What crossgate says about itself and about its configuration; what it does without one; what `explain` tells of the
# rules; and where it logs.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq ss "$python"
topology
start_services server4
start_services server6
conf=$work/test.conf

# ---- the command line ---------------------------------------------------------------------------
version=$(sed -n "s/^AC_INIT(\[crossgate\], \[\([^]]*\)\].*/\1/p" "$top_srcdir/configure.ac")
equal "--version" "crossgate $version" "$("$crossgate" --version | head -n 1)"
every_option() {
  local section="" line options=0 help
  help=$("$crossgate" --help)
  while read -r line; do
    case $line in
      "["*) section=${line//[][]/}. ;;
      *=*)
        line=${line#"# "}
        options=$((options + 1))
        grep -q -- "--$section${line%% *}\b" <<<"$help" || { echo "--$section${line%% *} is not in --help"; return 1; }
        ;;
    esac
  done < <("$crossgate" --dump-config)
  [ $options -gt 10 ]
}
check "--help names every option of --dump-config" every_option
status() { # WHAT WANTED COMMAND [ARG...]: its exit status; what it said is in $work/said
  "${@:3}" >"$work/said" 2>&1 </dev/null
  equal "$1" "$2" $? || sed 's/^/#   /' "$work/said"
}
status "an unknown option: exit status 2" 2 "$crossgate" --no-such-option
matches "and it is named" "^crossgate: command line: .*no-such-option" "$work/said"
status "a stray word" 2 "$crossgate" nonsense
status "an option without its value" 2 "$crossgate" --workers.max
status "a config file that is not there: 1" 1 "$crossgate" --check -f "$work/none.conf"

"$crossgate" --dump-config >"$work/defaults.conf"
check "the dumped defaults are a config" "$crossgate" --check -f "$work/defaults.conf"
equal "and dumped again they are the same" "$(cat "$work/defaults.conf")" "$("$crossgate" --dump-config -f "$work/defaults.conf")"
equal "the command line wins over the file" "max = 7" \
  "$("$crossgate" --dump-config -f "$work/defaults.conf" --workers.max=7 --workers.start=7 | grep '^max ')"
status "a bad value on the command line: 1" 1 "$crossgate" --check --workers.max=many
matches "with its place and key" "^crossgate: command line: workers.max: 'many'" "$work/said"

# ---- mistakes are told with file, line and key ---------------------------------------------------
mistake() { # WHAT PATTERN, and the file on standard input
  cat >"$conf"
  local said
  said=$("$crossgate" --check -f "$conf" 2>&1)
  equal "$1: --check fails" 1 $?
  if grep -Eq "test.conf:$2" <<<"$said"; then ok "$1: $said"; else not_ok "$1: no test.conf:$2 in: $said"; fi
}
mistake "an unknown key" "3: .*'listen.sox'" <<END
[listen]
socks = 0.0.0.0:1080
sox = 0.0.0.0:1081
END
mistake "an unknown section" "2: .*'lisen.socks'" <<END
[lisen]
socks = 0.0.0.0:1080
END
mistake "words behind a section" "1: .*\[listen\] socks" <<END
[listen] socks
socks = 0.0.0.0:1080
END
mistake "no key at all" "3: .*just words" <<END
[listen]

just words
END
mistake "a number out of bounds" "2: workers.max: '0'" <<END
[workers]
max = 0
END
mistake "a number that is none" "2: workers.max: '1x'" <<END
[workers]
max = 1x
END
mistake "a second value for what has one" "3: workers.max: given again; first at .*test.conf:2" <<END
[workers]
max = 1
max = 2
END
mistake "a bad address" "2: listen.socks: '1.2.3.4.5:1080'" <<END
[listen]
socks = 1.2.3.4.5:1080
END
mistake "a rule without a verdict" "2: access.rule: .*" <<END
[access]
rule = allow from *
END
mistake "a rule with a bad pattern" "2: access.rule: .*10.0.0.0/33" <<END
[access]
rule = permit from 10.0.0.0/33
END
mistake "a rule with an unknown word" "2: access.rule: .*by-night" <<END
[access]
rule = permit from * by-night *
END
{
  printf '[workers]\nmax = x\n[log]\nformat = xml\n'
} >"$conf"
equal "all mistakes at once" 2 "$("$crossgate" --check -f "$conf" 2>&1 | grep -c 'test.conf:')"
printf '[listen]\nsocks = 0.0.0.0:1080\nsocks = 127.0.0.1:1080\n' >"$conf"
on gateway timeout 10 "$crossgate" --foreground -f "$conf" >"$work/unbound.log" 2>&1
equal "an address that is in use: it does not start" 1 $?
matches "and names it" "127.0.0.1:1080.*in use" "$work/unbound.log"

# ---- without any file -----------------------------------------------------------------------------
become gateway "$crossgate" --foreground >>"$work/default.log" 2>&1 </dev/null &
default=$!
disown $default
wait_listening gateway 1080 "crossgate without a config"
equal "without a file it listens on loopback alone" "127.0.0.1:1080 [::1]:1080" \
  "$(on gateway ss -H -n -l -t 'sport = :1080' | awk '{ print $4 }' | sort | tr '\n' ' ' | sed 's/ $//')"
check "and serves its own host" answers "came from 2001:db8:d::1" \
  on gateway curl -sS --socks5-hostname 127.0.0.1:1080 http://only6.example/
refute "but nobody else" on client4 curl -sS -m 5 --socks5-hostname "$(client_gateway client4)" http://only6.example/
refute "a second one on the same port is refused" on gateway timeout 10 "$crossgate" --foreground
kill -INT $default
wait_until 5 gone $default

# ---- rules and preferences ------------------------------------------------------------------------
start_gateway gateway --access.rule="permit from 192.0.2.0/24 to *.example:80" <<END
END
check "a rule from the command line admits its source" answers "came from" \
  on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://only6.example/
refute "and no other" on client6 curl -sS --socks5-hostname "$(client_gateway client6)" http://only6.example/
refute "nor another destination" on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://198.51.100.2/
stop_gateway gateway

for family in 4 6; do
  start_gateway gateway --resolver.prefer=ipv$family <<END
[access]
rule = permit from *
END
  check "prefer = ipv$family" answers "came from $(gateway_address server$family)" \
    on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://both.example/
  stop_gateway gateway
  start_gateway gateway --resolver.prefer=ipv$family-only <<END
[access]
rule = permit from *
END
  refute "prefer = ipv$family-only" \
    on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://only$((10 - family)).example/
  stop_gateway gateway
done

# ---- explain --------------------------------------------------------------------------------------
cat >"$conf" <<END
[auth]
method = none,userpass
password-file = $work/none
[access]
rule = deny to 198.51.100.2
rule = permit to *.example from 192.0.2.0/24
rule = permit to [2001:db8:d::/64] user alice
END
explains() { # WHAT STATUS LINE[|LINE...] ARG...: it tells these lines, among others
  local lines line
  IFS='|' read -ra lines <<<"$3"
  status "explain: $1" "$2" on gateway "$crossgate" -f "$conf" explain "${@:4}"
  for line in "${lines[@]}"; do
    check "  $line" grep -qxF "$line" "$work/said"
  done
}
denied_4="address 198.51.100.2: denied: denied by the rule at $conf:5"
explains "denied by a rule" 1 "$denied_4" --to 198.51.100.2:80
explains "permitted by none" 1 "method: none userpass ($conf:2)|address 2001:db8:d::2: denied: no rule permits it" \
  --to "[2001:db8:d::2]:80"
explains "permitted with --user" 0 \
  "address 2001:db8:d::2: permitted by the rule at $conf:7|  source: chosen by the system" \
  --to "[2001:db8:d::2]:80" --user alice
explains "but not by that method" 1 "method: gssapi is not among them" \
  --to "[2001:db8:d::2]:80" --user alice --auth gssapi
explains "a name by its addresses, of which one is enough" 0 \
  "address 2001:db8:d::2: permitted by the rule at $conf:6|$denied_4" --to both.example:80 --from 192.0.2.2
explains "a name whose only address is denied" 1 "$denied_4" --to only4.example:80 --from 192.0.2.2
explains "a name from elsewhere" 1 "" --to only6.example:80 --from 192.0.3.2
explains "nothing without a destination" 2 "crossgate explain: --to HOST:PORT is missing" --from 192.0.2.2
explains "nor with one that is none" 2 "" --to nonsense
explains "nor with an unknown option" 2 "" --to only4.example:80 --colour blue
explains "nor a command that is none" 2 "crossgate explain: --command: none of connect, bind, udp, resolve" \
  --to only4.example:80 --command ping
explains "its help" 0 "" --help

# ---- logs -----------------------------------------------------------------------------------------
start_gateway gateway --log.to="$work/relays.json" --log.format=json <<END
[access]
rule = permit from *
END
on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://only6.example/ >/dev/null
matches "a log in a file, as JSON" '"command":"connect"' "$work/relays.json"
check "each of whose lines is JSON" "$python" -c "import json, sys
for line in open(sys.argv[1]): json.loads(line)" "$work/relays.json"
stop_gateway gateway
relays_logged() { # LEVEL: how many lines one relay makes, up to the end of all
  local before
  start_gateway gateway "--log.level=$1" <<END
[access]
rule = permit from *
END
  before=$(grep -c command=connect "$work/gateway.log")
  on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://only6.example/ >/dev/null
  stop_gateway gateway
  echo $(($(grep -c command=connect "$work/gateway.log") - before))
}
equal "log.level = info logs a relay" 1 "$(relays_logged info)"
equal "log.level = error logs none" 0 "$(relays_logged error)"

start_gateway gateway <<END
[access]
rule = deny to 198.51.100.2:81 log
rule = permit to 198.51.100.2:80 log
rule = permit to only6.example
END
for each in 198.51.100.2:81 198.51.100.2 only6.example; do
  on client4 curl -sS -m 10 --socks5-hostname "$(client_gateway client4)" "http://$each/" >/dev/null 2>&1
done
decided() { # WHAT EVENT LINE
  matches "$1" "event=$2 relay=\S+ client=192.0.2.2:[0-9]+ user=\"\" command=connect to=198.51.100.2 rule=.*conf:$3$" \
    "$work/gateway.log"
}
decided "rules with \`log\` tell what they deny" denied 5
decided "and what they permit" permitted 6
matches "of others there is the relay's line" "to=only6.example:80 .*result=ok" "$work/gateway.log"
equal "and no more" 2 "$(grep -cE "event=(permitted|denied)" "$work/gateway.log")"
stop_gateway gateway

# A /dev of the gateway's own, where a system log listens.
mkdir "$work/dev"
for each in null zero random urandom; do
  touch "$work/dev/$each"
  mount --bind "/dev/$each" "$work/dev/$each"
done
on gateway mount --rbind "$work/dev" /dev || bail "no /dev of the gateway's own"
service gateway "$work/syslog.log" "$python" -c 'import os, socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
while line := log.recv(8192):
    os.write(1, line + b"\n")'
wait_until 5 [ -S "$work/dev/log" ] || bail "no system log"
start_gateway gateway --log.to=syslog <<END
[access]
rule = permit from *
END
on client4 curl -sS --socks5-hostname "$(client_gateway client4)" http://only6.example/ >/dev/null
matches "log.to = syslog: warnings with their priority" \
  "^<28>crossgate\[${gateway_pid[gateway]}\]: level=warning event=\"workers run as root\"" "$work/syslog.log"
matches "and a relay's line, without a time of its own" \
  '^<30>crossgate\[[0-9]+\]: level=info relay=.* command=connect to=only6.example:80 .*result=ok' "$work/syslog.log"
finish
