#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# When descriptors run out (EMFILE), the Gateway refuses what it cannot hold, keeps what it has, does not spin, and
# is whole again as soon as there is room.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq ss prlimit
topology
start_services server4
start_services server6

launcher=$work/limited
cat >"$launcher" <<END
#!$BASH
exec prlimit --nofile=64:64 "$crossgate" "\$@"
END
chmod +x "$launcher"
crossgate=$launcher start_gateway gateway <<END
[workers]
start = 1
spare-min = 0
spare-max = 1
max = 1
relays = 256
[access]
rule = permit from *
END
master=${gateway_pid[gateway]}
start_relays client4
start_relays client6
matches "the limit of descriptors is logged" "descriptor limit.* limit=64" "$work/gateway.log"

equal "10 relays opened" 10 "$(relays client4 open 10)"
more=$(relays client6 open 100)
within "of 100 more not all fit" 0 99 "${more%% *}"
matches "the log says what is lacking" 'event="no descriptor for a client"|Too many open files' "$work/gateway.log"
equal "the first ones go on" 10 "$(relays client4 alive)"
relays client6 silent 100 >/dev/null
before=$(cpu_ticks gateway)
sleep 2
within "it does not spin (ticks of 10 ms in 2 s)" 0 40 $(($(cpu_ticks gateway) - before))
equal "and the first ones still go on" 10 "$(relays client4 alive)"
relays client6 close >/dev/null
again() { [ "$(relays client6 open 1)" = 1 ]; }
check "with room again, new clients are served" wait_until 10 again
equal "the master is the same" "$master" "$(ps -o pid= -p "$master" | tr -d ' ')"
within "the log is not flooded (lines)" 1 400 "$(wc -l <"$work/gateway.log")"
finish
