#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# SIGHUP: a bad config is logged with file and line and changes nothing; a good one holds for new connections, while
# the relays that run go on under the old one.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq ss ps
topology
start_services server4
start_services server6

start_gateway gateway <<END
[workers]
start = 4
spare-min = 2
spare-max = 4
[access]
rule = permit from *
END
master=${gateway_pid[gateway]}
start_relays client4
equal "2 relays opened" 2 "$(relays client4 open 2)"
old_workers=$(children "$master" | sort)

fetch() { # NAME
  on client6 curl -sS -m 5 --socks5-hostname "$(client_gateway client6)" "http://$1/"
}

reload() {
  kill -HUP "$master"
}

cp "$work/gateway.conf" "$work/good.conf"
echo "speed = 9" >>"$work/gateway.conf"
line=$(wc -l <"$work/gateway.conf")
reload
matches "a broken config: the log names file, line and key" "gateway.conf:$line: .*access.speed" "$work/gateway.log"
equal "the relays go on" 2 "$(relays client4 alive)"
check "new clients are served as before" fetch only4.example
sed '1i user = nobody.such' "$work/good.conf" >"$work/gateway.conf"
reload
matches "a user who is not there: the log says so" "reload failed.*there is no user 'nobody.such'" "$work/gateway.log"
check "and clients are served as before" fetch only4.example
equal "by the same workers" "$old_workers" "$(comm -12 <(echo "$old_workers") <(children "$master" | sort))"

sed 's/^rule =.*/rule = deny to 198.51.100.0\/24\nrule = permit from */' "$work/good.conf" >"$work/gateway.conf"
echo "socks = 0.0.0.0:1090" | sed -i '/^\[listen\]/r /dev/stdin' "$work/gateway.conf"
reload
wait_listening gateway 1090 "the listener that the new config adds"
matches "a good config: the log says so" "event=reloaded" "$work/gateway.log"
refute "new connections follow the new rules" fetch only4.example
check "which permit the rest" fetch only6.example
check "a new listener serves" on client4 curl -sS -m 5 --socks5-hostname 192.0.2.1:1090 http://only6.example/
equal "the relays that ran are untouched" 2 "$(relays client4 alive)"

# The old generation goes with its last relay.
relays client4 close >/dev/null
# shellcheck disable=SC2086 # one word each
check "the old workers end with their relays" wait_until 5 gone $old_workers
check "and the new ones serve" fetch only6.example

cp "$work/good.conf" "$work/gateway.conf"
reload
not_listening() { ! listens gateway 1090; }
check "a listener that the config has no more is closed" wait_until 3 not_listening
check "the old rules are back" fetch only4.example

# More relays need more descriptors: of what the kernel's limit allows.
prlimit --pid "$master" --nofile=1024:
sed 's/^spare-max = 4/spare-max = 4\nrelays = 700/' "$work/good.conf" >"$work/gateway.conf"
reload
matches "a config with more relays: the limit of descriptors follows" 'event="descriptor limit" limit=4[0-9]* wanted=4' \
  "$work/gateway.log"
reloads() { grep -c event=reloaded "$work/gateway.log"; }
reloads_are() { [ "$(reloads)" = "$1" ]; }
check "which is the third that was good" wait_until 5 reloads_are 3

# Many reloads in a row under load lose no connection and leave no process.
load() {
  while [ ! -e "$work/enough" ]; do
    fetch only6.example >/dev/null || echo failed
  done
}
load >"$work/load" 2>&1 &
loader=$!
for more in {1..20}; do
  reload
  wait_until 5 reloads_are $((3 + more)) || break
done
touch "$work/enough"
wait $loader
equal "20 reloads under load" 23 "$(reloads)"
equal "lose no connection" "" "$(cat "$work/load")"
# A generation has four workers.  Once there are four others, those of all generations before have been reaped.
renewed() { # OLD-WORKERS
  [ "$(children "$master" | wc -l)" = 4 ] && [ -z "$(comm -12 <(sort <<<"$1") <(children "$master" | sort))" ]
}
renew() {
  local workers
  workers=$(children "$master")
  reload
  wait_until 5 renewed "$workers"
}
check "and leave no process behind" renew
descriptors() { # once the master has come so far as to serve
  fetch only6.example >/dev/null
  find "/proc/$master/fd" -type l | wc -l
}
before=$(descriptors)
for _ in 1 2 3; do
  renew || not_ok "a reload does not replace the workers"
done
equal "and no descriptor" "$before" "$(descriptors)"
finish
