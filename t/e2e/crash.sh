#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A worker that dies takes its own relays with it and nothing else; relays outlive a master that dies; a worker that is
# stuck does not outlive one that is told to end.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq ss ps
topology
start_services server4
start_services server6

start_gateway gateway <<END
[workers]
start = 6
spare-min = 6
spare-max = 6
max = 6
relays = 4
[access]
rule = permit from *
END
master=${gateway_pid[gateway]}
start_relays client4
start_relays client6

served() { # does a fresh client get through?
  on client4 curl -sS -m 3 --socks5-hostname "$(client_gateway client4)" http://only6.example/
}

equal "3 relays opened" 3 "$(relays client4 open 3)"
victim=$(busy_workers gateway | head -n 1)
others=$(children "$master")
kill -KILL "$victim"
wait_until 5 gone "$victim"
equal "kill -9 of a worker: the other two relays go on" 2 "$(relays client4 alive)"
matches "the log tells the signal and the relays lost" \
  "event=\"worker died\" pid=$victim signal=9 name=SIGKILL relays_lost=1" "$work/gateway.log"
replaced() { [ "$(children "$master" | wc -l)" -ge "$(wc -l <<<"$others")" ]; }
check "a new worker takes its place" wait_until 5 replaced
equal "new clients are served" 1 "$(relays client6 open 1)"

# All of the remaining ones at once, several times: the pool comes back, and is not exhausted by it.
for round in 1 2; do
  # shellcheck disable=SC2046 # one word each
  kill -KILL $(children "$master")
  check "all workers killed: served again (round $round)" wait_until 10 served
done
equal "the master is the same" "$master" "$(ps -o pid= -p "$master" | tr -d ' ')"
relays client4 close >/dev/null
relays client6 close >/dev/null

equal "3 relays opened" 3 "$(relays client4 open 3)"
workers=$(children "$master")
idle=$(comm -23 <(sort <<<"$workers") <(busy_workers gateway | sort))
kill -KILL "$master"
# shellcheck disable=SC2086 # one word each
check "kill -9 of the master: idle workers go at once" wait_until 5 gone $idle
equal "kill -9 of the master: its relays go on" 3 "$(relays client4 alive)"
launch_gateway gateway
ok "a new master starts beside them"
equal "and serves" 1 "$(relays client6 open 1)"
equal "while the old relays go on" 3 "$(relays client4 alive)"
relays client4 close >/dev/null
# shellcheck disable=SC2086
check "the old workers end with their relays" wait_until 5 gone $workers

# One that does nothing any more can't hold up the end.
master=${gateway_pid[gateway]}
stuck=$(children "$master" | head -n 1)
kill -STOP "$stuck"
kill -INT "$master"
check "SIGINT: a worker that is stuck is killed" wait_until 10 gone "$stuck"
check "and the master ends" wait_until 5 gone "$master"
check "nothing is left behind" wait_until 5 nothing_left
finish
