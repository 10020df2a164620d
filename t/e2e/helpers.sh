#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The processes that check passwords: when they die, others take their place and logins go on; and what a password file
# means that can't be read while the Gateway runs.
. "$(dirname "$0")/lib.sh"
processes_die=yes
isolate "$@"
need dnsmasq ss ps setpriv
topology
start_services server4
passwords=$work/passwd.crossgate
for user in alice carol dave erin frank grace heidi; do
  echo "$user:\$6\$rounds=1000\$abc\$L49KHVDH7dx1DLB1QCAaFWdSAxn4hZjeqUBMOeOAindyaFjDFc6TBM72TifrctYRRLVDwGLb6UKNu16iQRSDx/"
done >"$passwords"

# Without capabilities, so that the file's mode counts for root as well.
confined=$work/confined
printf '#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all %s "$@"\n' "$crossgate" >"$confined"
chmod +x "$confined"
crossgate=$confined start_gateway gateway <<END
[auth]
method = userpass
password-file = $passwords
checkers = 1
[workers]
start = 2
spare-min = 2
spare-max = 2
max = 2
[access]
rule = permit from *
END
master=${gateway_pid[gateway]}
log=$work/gateway.log
login() { # USER: each logs in for one check, so that no worker remembers who is asked for in the next
  on client4 timeout 30 "$python" "$e2e/login.py" 192.0.2.1:1080 "$1" right 2>&1
}
# Only workers are SCHED_BATCH.
helper() { ps -o pid=,cls= --ppid "$master" | awk '$2 != "B" { print $1 }'; }
workers() { ps -o pid=,cls= --ppid "$master" | awk '$2 == "B" { print $1 }'; }
equal "a login" "reply 0" "$(login alice)"
before=$(workers)

# ---- who checks dies -------------------------------------------------------------------------------
victim=$(helper)
checker=$(children "$victim")
kill -KILL "$victim"
equal "kill -9 of the auth helper: a login waits for the next one" "reply 0" "$(login carol)"
matches "the log says so" "event=\"auth helper died\" pid=$victim signal=9 name=SIGKILL" "$log"
refute "it is another one" test "$(helper)" = "$victim"
check "the checker of the old one has gone with it" wait_until 5 gone "$checker"
equal "the workers are the same" "$before" "$(workers)"

# ---- the file can't be read ------------------------------------------------------------------------
complaints() { grep -c 'event="password file cannot be read"' "$log"; }
equal "the file could be read so far" 0 "$(complaints)"
mv "$passwords" "$passwords.away"
equal "no password file: nobody logs in" "status 1" "$(login dave)"
matches "the client's line says why" 'user=dave .*result=denied reason="the login could not be checked"' "$log"
matches "and one of the checker's" "event=\"password file cannot be read\" reason=\"$passwords: No such file" "$log"
equal "nor later" "status 1" "$(login dave)"
equal "which the log does not repeat" 1 "$(complaints)"
mv "$passwords.away" "$passwords"
equal "it is back: he logs in" "reply 0" "$(login dave)"

# Its content and its times are the same before and after.
touch "$passwords"
chmod 0 "$passwords"
equal "a file that is forbidden: nobody logs in" "status 1" "$(login erin)"
matches "the log says why" "event=\"password file cannot be read\" reason=\"$passwords: Permission denied" "$log"
chmod 600 "$passwords"
equal "it is allowed again: she logs in" "reply 0" "$(login erin)"

# ---- a checker dies --------------------------------------------------------------------------------
# A new one may be forked a second after the last.
is_grown() { [ "$(ps -o etimes= -p "$1")" -ge 2 ]; }
checker=$(children "$(helper)")
equal "there is one checker" 1 "$(wc -w <<<"$checker")"
wait_until 10 is_grown "$checker"
kill -KILL "$checker"
wait_until 5 gone "$checker"
equal "kill -9 of a checker that does nothing: the next login finds another" "reply 0" "$(login frank)"
matches "the log says so" "event=\"login checker replaced\" pid=$checker reason=\"its channel is broken\"" "$log"
checker=$(children "$(helper)")
kill -STOP "$checker"
login grace >"$work/grace" &
has_question() {
  on gateway ss -H -x -p | awk -v who="pid=$1," 'index($0, who) && $3 > 0 { found = 1 } END { exit !found }'
}
check "one that is stuck" wait_until 10 has_question "$checker"
kill -KILL "$checker"
wait $!
equal "and then dies takes its login along" "status 1" "$(cat "$work/grace")"
matches "the log says why" "event=\"login checker replaced\" pid=$checker reason=\"it died\"" "$log"
logs_in() { [ "$(login "$1")" = "reply 0" ]; }
check "the next is served" wait_until 10 logs_in heidi
stop_gateway gateway
check "nothing is left behind" wait_until 3 nothing_left
finish
