#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Unmodified programs across all four combinations of family: a client with only one family reaches a server with
# only one family, by name and by literal address.  The servers' logs show that they saw the Gateway alone, and the
# clients' that they asked no name server and sent no packet past the Gateway.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl wget git ssh sshd nc telnet dnsmasq ss
topology
start_services server4
start_services server6
make_repository
start_ssh server4
start_ssh server6

start_gateway gateway <<END
[access]
rule = permit from *
END

start_packet_watch client4
start_packet_watch client6

clone() { # CLIENT -4|-6 URL
  rm -rf "$work/clone"
  socksified "$1" git clone --quiet "$2" "$3" "$work/clone" && git -C "$work/clone" log --oneline | grep -q first
}

urllib='import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())'

programs() { # CLIENT -4|-6 SERVER HOST: every program from the client to this server's name or address
  local client=$1 flag=$2 server=$3 host=$4 url=$4 title="$1 to $3 at $4"
  [[ $host != *:* ]] || url="[$host]"
  check "$title: curl" answers "hello from $server" socksified "$client" curl -sS $flag "http://$url/$server.txt"
  check "$title: wget" answers "hello from $server" socksified "$client" wget -q $flag -T 10 -t 1 -O - "http://$url/$server.txt"
  check "$title: git" clone "$client" $flag "http://$url/git/project.git"
  check "$title: ssh" answers "ran $server" socksified "$client" \
    ssh $flag -F "$work/ssh/config" "$ssh_user@$host" "echo ran $server"
  check "$title: python" answers "hello from $server" socksified "$client" "$python" -c "$urllib" "http://$url/$server.txt"
  check "$title: nc" converses socksified "$client" nc $flag -w 10 "$host" 23
  check "$title: telnet" converses socksified "$client" telnet $flag "$host" 23
}

for server in server4 server6; do
  programs client4 -4 $server "$(server_name $server)"
  programs client6 -6 $server "$(server_name $server)"
  for client in client4 client6; do
    check "$client to $server: the name that both have" answers "hello from server" \
      socksified $client curl -sS "http://both.example/$server.txt"
  done
done
programs client4 -4 server4 "$(server_address server4)"
programs client6 -6 server6 "$(server_address server6)"

for server in server4 server6; do
  cut -d' ' -f2 "$work/$server.log" | sort -u >"$work/peers"
  equal "$server was spoken to by the Gateway alone" "$(gateway_address $server)" "$(cat "$work/peers")"
  equal "$server's sshd too" "$(gateway_address $server)" \
    "$(grep -o 'Connection from [^ ]*' "$work/$server.ssh.log" | cut -d' ' -f3 | sort -u)"
done
for client in client4 client6; do
  equal "$client asked no name server" "" "$(cat "$work/$client.leaks.log")"
  equal "$client sent nothing but to the Gateway" "" "$(grep -v watching "$work/$client.packets.log")"
  # The detectors see what they are there for.
  on $client curl -sS -m 5 http://only4.example/ >/dev/null 2>&1
  matches "$client's leak detector sees a program without socksify" "only4.example" "$work/$client.leaks.log"
  on $client nc -z -w 1 "$(server_address server${client#client})" 80
  matches "$client's packets are seen" "packets $(server_address server${client#client}) 6 80" "$work/$client.packets.log"
done
finish
