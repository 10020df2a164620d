#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Clients that speak SOCKS5 by themselves, and were written by others, use the Gateway: from hosts of either family,
# to servers of either family, by name and by literal address.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl ncat dnsmasq ss
topology
start_services server4
start_services server6
start_packet_watch client4
start_packet_watch client6

start_gateway gateway <<END
[access]
rule = permit from *
END

pysocks='import sys, socks
conversation = socks.create_connection((sys.argv[2], 80), proxy_type=socks.SOCKS5, proxy_rdns=True, timeout=10,
                                       proxy_addr=sys.argv[1].strip("[]"), proxy_port=1080)
conversation.sendall(b"GET / HTTP/1.0\r\n\r\n")
print(conversation.makefile().read())'

for client in client4 client6; do
  proxy=$(client_gateway $client)
  for server in server4 server6; do
    came_from="came from $(gateway_address $server)"
    for host in "$(server_name $server)" "$(server_address $server)"; do
      url=$host
      [[ $host != *:* ]] || url="[$host]"
      title="$client to $server at $host"
      check "$title: curl --socks5-hostname" answers "$came_from" \
        on $client curl -sS -m 10 --socks5-hostname "$proxy" "http://$url/"
      check "$title: ncat --proxy-type socks5" converses \
        on $client ncat -w 10 --proxy "$proxy" --proxy-type socks5 --proxy-dns remote "$host" 23
      if "$python" -c 'import socks' 2>/dev/null; then
        check "$title: PySocks" answers "$came_from" on $client "$python" -c "$pysocks" "${proxy%:*}" "$host"
      else
        skip "$title: PySocks" "missing module: python3-socks"
      fi
    done
    check "$client to $server at an address that curl itself was given" answers "$came_from" \
      on $client curl -sS -m 10 --socks5 "$proxy" "http://$(url_address $server)/"
  done
done

chromium=$(command -v chromium || command -v chromium-browser)
for server in server4 server6; do
  if [ -n "$chromium" ]; then
    check "chromium to $server" answers "came from $(gateway_address $server)" \
      on client4 timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
      --user-data-dir="$work/chromium" --proxy-server="socks5://$(client_gateway client4)" \
      --dump-dom "http://$(server_name $server)/"
  else
    skip "chromium to $server" "optional tool: chromium"
  fi
done

for client in client4 client6; do
  equal "$client asked no name server" "" "$(cat "$work/$client.leaks.log")"
  equal "$client sent nothing but to the Gateway" "" "$(grep -v watching "$work/$client.packets.log")"
done
finish
