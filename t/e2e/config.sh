#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What crossgate says about itself and about its configuration; what it does without one; and where it logs.
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
refute "an unknown option is an error" "$crossgate" --no-such-option
refute "so is a stray word" "$crossgate" nonsense
refute "a config file that is not there" "$crossgate" --check -f "$work/none.conf"

"$crossgate" --dump-config >"$work/defaults.conf"
check "the dumped defaults are a config" "$crossgate" --check -f "$work/defaults.conf"
equal "and dumped again they are the same" "$(cat "$work/defaults.conf")" "$("$crossgate" --dump-config -f "$work/defaults.conf")"
equal "the command line wins over the file" "max = 7" \
  "$("$crossgate" --dump-config -f "$work/defaults.conf" --workers.max=7 --workers.start=7 | grep '^max ')"
refute "a bad value on the command line" "$crossgate" --check --workers.max=many

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
finish
