#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 5,000 clients that connect and say nothing do not keep a new client waiting, at the default config: each of them
# costs a place in a worker (256 workers with 256 places each by default), no thread and no time, until the
# negotiate timeout takes it back.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq ss
need_descriptors 6000
topology
start_services server4
start_services server6

start_gateway gateway <<END
[access]
rule = permit from *
END
start_relays client4
start_relays client6

alone=$(relays client6 time 20)
within "a new client is served, alone (median ms)" 0 10000 "$alone" || bail "it is not"
# Whoever has to wait for a place waits for the negotiate timeout of others.
most=$((20 * alone > 100 ? 20 * alone : 100))
equal "5,000 clients connect and say nothing" 5000 "$(relays client4 silent 5000)"
held() { [ "$(on gateway ss -H -n -t state established '( sport = :1080 )' | wc -l)" -ge 5000 ]; }
check "all of them are connected" wait_until 10 held
within "a new client is served about as fast (median of 20, in ms)" 0 $most "$(relays client6 time 20)"
within "so is one from the same source (median of 20, in ms)" 0 $most "$(relays client4 time 20)"

before=$(cpu_ticks gateway)
sleep 2
within "the crowd costs next to no CPU (ticks of 10 ms in 2 s)" 0 40 $(($(cpu_ticks gateway) - before))
relays client4 close >/dev/null
empty() { [ "$(on gateway ss -H -n -t state established '( sport = :1080 )' | wc -l)" = 0 ]; }
check "when the crowd leaves, nothing is left of it" wait_until 10 empty
finish
