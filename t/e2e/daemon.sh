#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the background: the parent's exit code, the session, the terminal's descriptors; the pid file and its lock; and
# SIGUSR1 after a log rotation.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq ss ps
topology
start_services server4
start_services server6

conf=$work/gateway.conf
pid_file=$work/crossgate.pid
log=$work/crossgate.log
crossgate() { on gateway "$crossgate" -f "$conf" "$@"; }
pid() { cat "$pid_file" 2>/dev/null; }
fetch() { on client4 curl -sS -m 5 --socks5-hostname "$(client_gateway client4)" http://only6.example/; }

echo 'alice:$6$salt$G.GDAUMjcy4XtkszpuAmOo0VTBrcjDg3BPUK7m7qn4lyD.cqaXyF3H0eKsgXmDMIPKLAKxIYTGP3wB9e0XfdX1' >"$work/passwd.auth"
cat >"$conf" <<END
pid-file = $pid_file
[listen]
socks = 0.0.0.0:1080
socks = [::]:1080
[access]
rule = permit from *
[auth]
method = none from 192.0.2.0/24
method = userpass from *
password-file = $work/passwd.auth
failures = 2
[log]
to = $log
[workers]
start = 4
END

# ---- the start ----------------------------------------------------------------------------------
# A pipe that ends tells that nobody holds the terminal's descriptors any more.
started=$(umask 077 && cd "$work" && crossgate 7</etc/hosts 2>&1; echo "exit code $?")
equal "started in the background: exit code 0, nothing said, stdio let go" "exit code 0" "$started"
check "the listeners stand by then" listens gateway 1080
master=$(pid)
check "the pid file names the master, which lives" kill -0 "$master"
workers=$(children "$master")
for process in $master $workers; do
  readlink "/proc/$process/fd/0" "/proc/$process/fd/1" "/proc/$process/fd/2"
done | sort -u >"$work/stdio"
equal "stdio of master and workers is /dev/null" /dev/null "$(cat "$work/stdio")"
equal "what its starter had open besides is closed" "" "$(find "/proc/$master/fd" -lname /etc/hosts)"
equal "the master leads a session of its own" "$master" "$(ps -o sid= -p "$master" | tr -d ' ')"
equal "without a terminal" "?" "$(ps -o tty= -p "$master" | tr -d ' ')"
equal "its folder is /" / "$(readlink "/proc/$master/cwd")"
equal "its umask is 027" 0027 "$(awk '/^Umask/ { print $2 }' "/proc/$master/status")"
equal "the pid file is readable whatever the umask" 644 "$(stat -c %a "$pid_file")"
check "it serves" fetch

# ---- a second start -----------------------------------------------------------------------------
refusal="crossgate: $pid_file: crossgate runs already, as process $master"
second=$(crossgate 2>&1; echo "exit code $?")
equal "a second start is refused, names the first and exits with 1" "$refusal"$'\nexit code 1' "$second"
# A terminal that takes nothing for now.
mkfifo "$work/terminal"
exec {terminal}<>"$work/terminal"
dd if=/dev/zero bs=64k count=1 status=none >&$terminal
become gateway "$crossgate" -f "$conf" 2>&$terminal &
starting=$!
sleep 0.5
check "it does not end before it has said why" kill -0 $starting
head -c 65536 <&$terminal >/dev/null
wait $starting
equal "and then says it there" "$refusal" "$(head -n 1 <&$terminal)"
exec {terminal}<&-
check "the first goes on" fetch
equal "and its pid file is untouched" "$master" "$(pid)"
taken=$(crossgate --pid-file="$work/other.pid" 2>&1; echo "exit code $?")
equal "a taken address: the parent says so on its terminal and exits with 1" \
  $'crossgate: 0.0.0.0:1080: bind: Address already in use\nexit code 1' "$taken"
check "no pid file of it is left" test ! -e "$work/other.pid"

# ---- SIGUSR1 ------------------------------------------------------------------------------------
served=$(grep -c command=connect "$log")
start_relays client4
equal "3 relays that outlive the rotation" 3 "$(relays client4 open 3)"
kill -HUP "$master"
matches "a reload makes their workers an old generation" event=reloaded "$log"
(while [ ! -e "$work/enough" ]; do fetch; done) >"$work/fetched" 2>&1 &
loader=$!
wait_until 5 test -s "$work/fetched"
mv "$log" "$log.1"
kill -USR1 "$master"
matches "SIGUSR1: the log file is there again" 'event="log opened again"' "$log"
check "no process has the old one open for long" wait_until 5 forgotten "$log.1"
old_size=$(stat -c %s "$log.1")
wait_until 5 grep -q command=connect "$log" || not_ok "no relay is in the new file"
touch "$work/enough"
wait $loader
relays client4 close >/dev/null
logged() { [ "$(cat "$log" "$log.1" | grep -c 'command=connect')" = "$1" ]; }
total=$((served + 3 + $(wc -l <"$work/fetched")))
check "not one line of $total relays is lost" wait_until 5 logged $total
equal "the old file gets none any more" "$old_size" "$(stat -c %s "$log.1")"
equal "the relays of the old generation are in the new file" 3 "$(grep -c 'to=both.example:7' "$log")"
equal "no line is there twice" "" "$(cat "$log" "$log.1" | grep command=connect | sort | uniq -d)"
for _ in 1 2 3; do
  on client6 curl -s -m 4 --proxy "socks5h://bob:wrong@$(client_gateway client6)" http://only4.example/ >/dev/null
  ! grep -q "source refused" "$log" || break
done
matches "the auth helper's lines are there too" 'event="source refused"' "$log"

# ---- the end ------------------------------------------------------------------------------------
kill -TERM "$master"
check "SIGTERM ends it" wait_until 5 gone "$master"
check "the pid file goes with it" test ! -e "$pid_file"
crossgate 2>&1
kill -KILL "$(pid)"
wait_until 3 nothing_left
check "kill -9 leaves the file" test -s "$pid_file"
check "which is in no new start's way" crossgate
check "that serves" fetch
kill -INT "$(pid)"
check "nothing is left behind" wait_until 5 nothing_left
finish
