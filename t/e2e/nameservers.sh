#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Name servers that fail: the next one is asked, and what a client is told where there is none.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq ss
host gateway both 127.0.0.1
start_names
service gateway "$work/failing.log" "$python" "$e2e/serve.py" dns:5301 sick:5302 mute:5303
for port in 5301 5302 5303; do wait_listening gateway $port "a name server that fails" --udp; done

# What a worker waits for a server; 5 seconds otherwise.  A newer library reads `timeout`, in seconds.
export RES_OPTIONS="retrans:300 timeout:1"
cat >"$work/resolve.py" <<'END_OF_RESOLVE'
import sys, socks
one = socks.Socks5("gateway", socks.RESOLVE, sys.argv[2], 0, timeout=30, listener=int(sys.argv[1]))
print(f"reply {one.reply} {one.bound[0]}")
END_OF_RESOLVE
gateways=0
ask() { # NAME LIMIT NAMESERVER...: asks a Gateway of its own for the name; the answer comes later, in $work/answer.N
  local port=$((1081 + gateways)) servers=() each
  for each in "${@:3}"; do servers+=("--resolver.nameserver=127.0.0.1:$each"); done
  service gateway "$work/gateway.$gateways.log" "$crossgate" --foreground -f /dev/null --listen.socks=127.0.0.1:$port \
    --access.rule=permit --workers.start=1 --timeout.connect="$2" "${servers[@]}"
  wait_listening gateway $port "a Gateway"
  HOSTS=$(host_list) PYTHONPATH=$e2e "$python" "$work/resolve.py" $port "$1" >"$work/answer.$gateways" 2>&1 &
  gateways=$((gateways + 1))
}
ask only4.example 20 5301 53
ask only4.example 20 5302 53
ask only4.example 20 5303 53
ask only4.example 20 5309 53
ask unknown.example 20 53 5302
ask only4.example 20 5301
ask only4.example 20 5302
ask only4.example 1 5303
wait
answer() { cat "$work/answer.$1"; }
asked() { grep -c "^$1 127.0.0.1 $2\$" "$work/failing.log"; }
equal "the first refuses: the second is asked" "reply 0 198.51.100.2" "$(answer 0)"
equal "it fails: the second is asked" "reply 0 198.51.100.2" "$(answer 1)"
equal "it says nothing: the second is asked" "reply 0 198.51.100.2" "$(answer 2)"
equal "it is not there: the second is asked" "reply 0 198.51.100.2" "$(answer 3)"
equal "it knows that there is no such name: that is the answer" "reply 4 0.0.0.0" "$(answer 4)"
equal "and nobody else is asked" 0 "$(asked sick unknown.example)"
equal "all refuse: a general failure" "reply 1 0.0.0.0" "$(answer 5)"
matches "the log says why" 'to=only4.example.* result=failed reason="only4.example: ' "$work/gateway.5.log"
equal "all fail: the same" "reply 1 0.0.0.0" "$(answer 6)"
matches "the log says why" 'to=only4.example.* result=failed reason="only4.example: ' "$work/gateway.6.log"
equal "all are silent: the time is over" "reply 6 0.0.0.0" "$(answer 7)"
matches "the log says why" 'to=only4.example.* result=timed-out reason="only4.example: no answer of the name servers"' \
  "$work/gateway.7.log"
finish
