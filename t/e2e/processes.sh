#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The process model: a master with spare workers, one worker per relay for the first `max` relays, and then more
# relays on the same workers; spare workers that go when they are not needed; and the end by SIGTERM and SIGINT.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq ss ps
need_descriptors 3000
topology
start_services server4
start_services server6

start_gateway gateway <<END
[workers]
start = 4
spare-min = 2
spare-max = 6
max = 64
relays = 64
drain = 60
[access]
rule = permit from *
END
master=${gateway_pid[gateway]}
start_relays client4
start_relays client6

echo "# at start:"
show_processes() { ps -o pid,ppid,args --pid "$master" --ppid "$master" | sed 's/^/#   /'; }
show_processes
within "workers wait before the first client" 4 6 "$(children "$master" | wc -l)"
equal "the master holds no client's connection" "" "$(busy_workers gateway)"

lines_logged() { # NUMBER
  [ "$(grep -c 'command=connect' "$work/gateway.log")" -ge "$1" ]
}

busy_are() { # NUMBER
  [ "$(busy_workers gateway | wc -l)" = "$1" ]
}

spare_are() { # LOW HIGH
  local spare=$(($(children "$master" | wc -l) - $(busy_workers gateway | wc -l)))
  [ "$1" -le $spare ] && [ $spare -le "$2" ]
}

equal "20 relays opened" 20 "$(relays client4 open 20)"
check "each has a worker of its own" wait_until 3 busy_are 20
check "and spare workers wait beside them" wait_until 3 spare_are 2 6
echo "# with 20 relays:"
show_processes
equal "the master holds none of them" "" "$(busy_workers gateway | grep -x "$master")"

equal "64 relays opened" 44 "$(relays client6 open 44)"
check "each has a worker of its own" wait_until 3 busy_are 64

equal "1,000 relays opened" 500 "$(relays client4 open 480)"
equal "1,000 relays opened" 500 "$(relays client6 open 456)"
equal "they are on 64 workers" 64 "$(busy_workers gateway | wc -l)"
check "which are all there are" wait_until 3 spare_are 0 0
fullest=$(on gateway ss -H -n -t -p state established '( sport = :1080 )' | grep -o 'pid=[0-9]*' | sort | uniq -c |
  sort -rn | awk 'NR == 1 { print $1 }')
within "spread evenly: the most that one worker has" 16 32 "$fullest"
equal "all of them carry" "500 500" "$(relays client4 alive) $(relays client6 alive)"

relays client4 close >/dev/null
relays client6 close >/dev/null
check "no worker is busy when all have ended" wait_until 5 busy_are 0
check "and the spare ones are few again" wait_until 15 spare_are 2 6
equal "one log line for each relay" 1000 "$(wait_until 3 lines_logged 1000; grep -c 'command=connect' "$work/gateway.log")"

# ---- the end ------------------------------------------------------------------------------------
equal "a relay before SIGTERM" 1 "$(relays client4 open 1)"
workers=$(children "$master")
kill -TERM "$master"
not_listening() { ! listens gateway 1080; }
check "SIGTERM: no new connections" wait_until 5 not_listening
equal "SIGTERM: the relay goes on" 1 "$(relays client4 alive)"
relays client4 close >/dev/null
check "SIGTERM: the master ends with its last relay" wait_until 5 gone "$master"
# shellcheck disable=SC2086 # one word each
check "SIGTERM: and every worker" wait_until 5 gone $workers

launch_gateway gateway --workers.drain=3
master=${gateway_pid[gateway]}
equal "a relay before SIGTERM" 1 "$(relays client4 open 1)"
workers=$(children "$master")
kill -TERM "$master"
wait_until 5 not_listening
equal "SIGTERM: it lives while it drains" 1 "$(relays client4 alive)"
# shellcheck disable=SC2086
check "SIGTERM: a relay that does not end is cut after drain seconds" wait_until 10 gone "$master" $workers
equal "SIGTERM: it is gone then" 0 "$(relays client4 alive)"
relays client4 close >/dev/null

launch_gateway gateway
master=${gateway_pid[gateway]}
equal "a relay before SIGINT" 1 "$(relays client4 open 1)"
workers=$(children "$master")
kill -INT "$master"
# shellcheck disable=SC2086
check "SIGINT: all end without a drain" wait_until 10 gone "$master" $workers

# ---- a lifetime ---------------------------------------------------------------------------------
start_gateway gateway <<END
[workers]
start = 1
spare-min = 1
spare-max = 1
max = 1
relays = 8
lifetime = 2
[access]
rule = permit from *
END
relays client4 close >/dev/null
first=$(children "${gateway_pid[gateway]}")
equal "a worker that has had its 2 relays serves on, where no other may be forked" 4 "$(relays client4 open 4)"
equal "all of them carry" 4 "$(relays client4 alive)"
relays client4 close >/dev/null
check "when they have ended it goes" wait_until 3 gone "$first"
equal "and its successor serves" 1 "$(relays client4 open 1)"
relays client4 close >/dev/null
stop_gateway gateway

# ---- a process for each relay --------------------------------------------------------------------
start_gateway gateway <<END
[workers]
start = 2
spare-min = 1
spare-max = 2
max = 2
relays = 1
[access]
rule = permit from *
END
waiting_are() { # NUMBER: clients that the kernel keeps until they are accepted
  [ "$(on gateway ss -H -n -l -t 'sport = :1080' | awk '{ sum += $2 } END { print sum }')" = "$1" ]
}
equal "relays = 1: 2 relays opened" 2 "$(relays client4 open 2)"
equal "each has a worker of its own" 2 "$(busy_workers gateway | wc -l)"
echo "open 1" >&"${relays_in[client6]}"
check "the third client waits in the backlog" wait_until 3 waiting_are 1
equal "while the two go on" 2 "$(relays client4 alive)"
check "for as long as they do" waiting_are 1
equal "one of them ends" 1 "$(relays client4 end)"
read -r -t 30 answer <&"${relays_out[client6]}"
equal "and the third is served" 1 "$answer"
equal "by a worker of its own" 2 "$(busy_workers gateway | wc -l)"
equal "both carry" "1 1" "$(relays client4 alive) $(relays client6 alive)"
finish
