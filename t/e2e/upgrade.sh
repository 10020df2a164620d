#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# SIGUSR2: a new master takes over the listeners while the old one finishes its relays; one that can't start changes
# nothing.  In the background with a pid file, and in the foreground.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq ss ps sha256sum
topology
start_services server4
start_services server6

conf=$work/gateway.conf
pid_file=$work/crossgate.pid
log=$work/crossgate.log
program=$work/crossgate
cp "$crossgate" "$program"
pid() { cat "$pid_file" 2>/dev/null; }
fetch() { on client4 curl -sS -m 8 --socks5-hostname "$(client_gateway client4)" "http://only6.example/$1"; }
replaced() { [ "$(pid)" != "$1" ] && kill -0 "$(pid)"; }
listener() { on gateway ss -H -n -l -t -e 'sport = :1080' | grep -o 'ino:[0-9]*' | sort; }

cat >"$conf" <<END
pid-file = crossgate.pid
[listen]
socks = 0.0.0.0:1080
socks = [::]:1080
[access]
rule = permit from *
[log]
to = $log
[workers]
start = 2
drain = 2
END
# A pid file and a program that are named relative to the folder of the start.
(cd "$work" && exec nsenter --target "${host_pid[gateway]}" --net --mount --uts \
  "$BASH" -c 'cd "$0" && exec ./crossgate -f gateway.conf' "$work")
first=$(pid)
check "the first master serves" fetch ""

# ---- a new program that can't start --------------------------------------------------------------
failed_upgrades() { [ "$(grep -c 'event="upgrade failed, the old program stays"' "$log")" -ge "$1" ]; }
cp "$conf" "$work/good.conf"
echo "speed = 9" >>"$conf"
kill -USR2 "$first"
matches "a config with a mistake: the old master says which" \
  "upgrade failed, the old program stays.*gateway.conf:$(wc -l <"$conf"): .*workers.speed" "$log"
cp "$work/good.conf" "$conf"
mv "$program" "$program.good"
kill -USR2 "$first"
matches "no program: it says so" "upgrade failed.*/crossgate: No such file or directory" "$log"
printf '#!/bin/sh\necho "crossgate: wrong kernel" >&2\nexit 1\n' >"$program"
chmod +x "$program"
kill -USR2 "$first"
matches "a program that complains and ends: its words are in the log" 'upgrade failed.*wrong kernel' "$log"
printf '#!/bin/sh\nkill -SEGV $$\n' >"$program"
kill -USR2 "$first"
matches "one that dies" 'upgrade failed.*ended without a word' "$log"
equal "it was tried four times" 4 "$(grep -c 'event=upgrading' "$log")"
equal "the first master goes on" "$first" "$(pid)"
check "and serves" fetch ""
equal "the others are gone" "" "$(ps -o pid= --ppid "$first" | while read -r each; do
  [ "$(readlink "/proc/$each/exe")" = "$(readlink "/proc/$first/exe")" ] || echo "$each"; done)"

# ---- an upgrade under a transfer -------------------------------------------------------------------
rm "$program"
cp "$program.good" "$program"
head -c 60000000 /dev/urandom >"$work/www/large"
sum=$(sha256sum <"$work/www/large")
on client4 curl -sS -m 60 --limit-rate 20M --socks5-hostname "$(client_gateway client4)" http://only6.example/large \
  2>"$work/transfer.err" | sha256sum >"$work/transfer.sum" &
transfer=$!
start_relays client4
equal "3 relays that say little" 3 "$(relays client4 open 3)"
sockets=$(listener)
kill -USR2 "$first"
check "SIGUSR2: a new master has the pid file" wait_until 10 replaced "$first"
second=$(pid)
equal "it has the same listening sockets" "$sockets" "$(listener)"
matches "the old one says who" "event=\"handed over\" successor=$second" "$log"
check "new clients are served" fetch ""
served_by() {
  local worker
  worker=$(grep 'command=connect.*to=only6.example' "$log" | tail -n 1 | sed 's/.*relay=\([0-9]*\).*/\1/')
  [ "$(ps -o ppid= -p "$worker" | tr -d ' ')" = "$1" ]
}
check "by workers of the new one" wait_until 3 served_by "$second"
equal "stdio of the new master is /dev/null" /dev/null \
  "$(readlink "/proc/$second/fd/0" "/proc/$second/fd/1" "/proc/$second/fd/2" | sort -u)"
equal "its folder is /" / "$(readlink "/proc/$second/cwd")"
equal "the old relays go on beyond the drain time" 3 "$(sleep 3; relays client4 alive)"
kill -HUP "$second"
matches "the new one reloads" event=reloaded "$log"

# A chain of upgrades: the middle ones end at once, the first one when its relays have.
for _ in 1 2 3; do
  before=$(pid)
  kill -USR2 "$before"
  wait_until 10 replaced "$before" || break
  [ "$before" = "$second" ] || check "a master without relays ends once it is replaced" wait_until 5 gone "$before"
done
newest=$(pid)
check "the second one has ended too" wait_until 5 gone "$second"
equal "the relays of the first go on" 3 "$(relays client4 alive)"
mv "$log" "$log.1"
kill -USR1 "$newest"
check "SIGUSR1: no process has the old log open for long" wait_until 5 forgotten "$log.1"
wait $transfer
equal "the transfer came through whole" "$sum" "$(cat "$work/transfer.sum")"
relays client4 close >/dev/null
check "the first master ends with its last relay" wait_until 5 gone "$first"
equal "SIGUSR1 reached the first: its last lines are in the new log" 3 "$(grep -c 'to=both.example:7' "$log")"

# ---- the end of all --------------------------------------------------------------------------------
equal "one more relay" 1 "$(relays client4 open 1)"
kill -USR2 "$newest"
wait_until 10 replaced "$newest"
last=$(pid)
kill -TERM "$last"
sleep 0.5
check "SIGTERM to the new master: the old one's relay has its drain time" test "$(relays client4 alive)" = 1
check "the old one ends then" wait_until 5 gone "$newest"
check "and the new one with it" wait_until 2 gone "$last"
check "with the pid file" test ! -e "$pid_file"
relays client4 close >/dev/null
check "nothing is left" wait_until 3 nothing_left

# ---- in the foreground -----------------------------------------------------------------------------
sed -i '/^pid-file/d; /^to = /d' "$conf"
launch_gateway gateway
first=${gateway_pid[gateway]}
kill -USR2 "$first"
matches "in the foreground: both write to the same log" 'event="handed over"' "$work/gateway.log"
check "the old master ends" wait_until 5 gone "$first"
check "the new one serves" fetch ""
matches "and logs" 'command=connect' "$work/gateway.log"
last=$(sed -n 's/.*successor=\([0-9]*\).*/\1/p' "$work/gateway.log")
kill -INT "$last"
check "nothing is left behind" wait_until 5 nothing_left

# One that is told to end while its successor is still starting takes it along.
crossgate=$program
launch_gateway gateway
first=${gateway_pid[gateway]}
mv "$program" "$program.slow"
printf '#!/bin/sh\ntouch %s/starting\nsleep 2\nexec %s "$@"\n' "$work" "$program.slow" >"$program"
chmod +x "$program"
kill -USR2 "$first"
check "an upgrade that takes its time" wait_until 5 test -e "$work/starting"
kill -INT "$first"
check "the end comes in between" wait_until 5 gone "$first"
refute "and nobody serves after it" eval 'sleep 4; fetch ""'
finish
