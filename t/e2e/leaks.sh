#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The Socks Lib, call by call: what the C library would answer, and nothing past the Gateway.  A packet watch and a
# leak detector on the client hear whatever goes another way.
# shellcheck source=t/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
isolate "$@"
need dnsmasq socat ss
topology
for server in server4 server6; do start_services $server; done
service server4 "$work/udp4.log" socat -T 10 UDP4-RECVFROM:7,fork,reuseaddr EXEC:cat
wait_listening server4 7 "the echo of datagrams" --udp
start_packet_watch client4
# Fast open by every client and listener, without a cookie.
for each in client4 gateway; do on $each "$BASH" -c 'echo 1543 >/proc/sys/net/ipv4/tcp_fastopen'; done
start_gateway gateway <<END
[access]
rule = permit from *
END
calls() { socksified client4 timeout 30 "$python" "$e2e/calls.py" "$@"; }

check "getaddrinfo: hints, flags, services and errors" calls hints only6.example
check "names in other scripts" calls other_scripts -
check "both families and ::ffff:fake lead to the name" calls both_families only6.example
check "getaddrinfo_a, gai_suspend, gai_cancel" calls asynchronous only4.example
check "names that a name server would be asked for" calls no_name_server -
own_resolver() { # DIRECT refused|reached: on a host where no leak detector takes it for a leak
  on server4 env SOCKS5_SERVER=192.0.2.1:1080 "SOCKSIFY_DIRECT=$1" timeout 30 "$socksify" \
    "$python" "$e2e/calls.py" own_resolver "$2"
}
check "a name server on the loopback" own_resolver "" refused
check "also where the loopback is direct" own_resolver "127.0.0.0/8,0.0.0.0" refused
check "but not where its port is" own_resolver "127.0.0.53,0.0.0.0:53,127.0.0.53:53" reached
on client4 hostname elsewhere
check "the host's own name that is not in its hosts file" calls no_name_server -
check "datagrams by AF_UNSPEC, and to IPv4 from an IPv6 socket" calls datagrams_by_other_families 198.51.100.2
check "datagrams of a socket that came across an exec" calls datagrams_after_exec 198.51.100.2
check "datagrams of a socket with another peer" calls datagrams_by_another_peer 198.51.100.2
check "MSG_FASTOPEN and TCP_FASTOPEN_CONNECT" calls fast_open only4.example
check "rexec, rcmd and names of networks" calls old_doors 198.51.100.2
[ "$(uname -m)" != x86_64 ] || check "datagrams by the numbers of system calls" calls system_calls 198.51.100.2
check "system, popen and the exec system call with an empty environment" calls environment \
  "$python -c 'import socket; socket.create_connection((\"only4.example\", 80), 10)'"
check "messages in segments, and the queue of errors" calls segments 198.51.100.2
check "a listener on any address is left alone" socksified client6 timeout 30 "$python" "$e2e/calls.py" listener only4.example
if have "active FTP" vsftpd; then
  mkdir "$work/ftp" && echo "ftp file" >"$work/ftp/file"
  start_ftp server6
  # The program's listening socket is on ::, where nobody can come by IPv6.
  for active in "curl -sS -6 --ftp-port -" "tnftp -6 -A -V -o -"; do
    # shellcheck disable=SC2086 # words
    check "active FTP over IPv6 from a host that has none: ${active%% *}" \
      answers "ftp file" socksified client4 timeout 10 $active ftp://only6.example/file
  done
  start_ftp server4
  for active in "curl -sS -4 --ftp-port -" "tnftp -4 -A -V -o -"; do
    # shellcheck disable=SC2086 # words
    check "active FTP over IPv4 by a gateway that is reached over IPv6: ${active%% *}" \
      answers "ftp file" socksified client6 timeout 10 $active ftp://only4.example/file
  done
fi
# Another root folder, which has a shell, and then the Socks Lib as well.
root=$work/root
library=$(readlink -f "$top_builddir/socksify/.libs/libsocksify.so")
mkdir "$root"
for file in /bin/sh $(ldd /bin/sh | grep -o '/[^ ]*'); do
  mkdir -p "$root${file%/*}" && cp -L "$file" "$root$file"
done
privileged() { on client4 env "SOCKS5_SERVER=$(client_gateway client4)" timeout 30 "$socksify" "$@"; }
elsewhere() { ! privileged chroot "$root" /bin/sh -c :; }
check "in a chroot without the Socks Lib nothing is run" privileged "$python" "$e2e/calls.py" other_root "$root"
check "and it is said why" answers "would not find the Socks Lib" elsewhere
mkdir -p "$root${library%/*}" && cp "$library" "$root$library"
check "in one that has it there, it is" privileged chroot "$root" /bin/sh -c :
check "posix_spawn of a program in another folder" calls spawn_elsewhere "$(readlink -f "$(type -P true)")"
if static=$(PATH=$PATH:/sbin command -v ldconfig) && ! readelf -l "$static" | grep -q INTERP; then
  check "a static program is not run in the tree" calls unprotected "$static"
  echo "unprotected = run" >"$XDG_CONFIG_HOME/socksify.conf"
  check "unless the config says so" socksified client4 sh -c "$static -p >/dev/null"
fi

equal "no name server was asked" "" "$(cat "$work/client4.leaks.log")"
# Datagrams go to the relay that the Gateway has told.
equal "nothing went past the gateway" "" "$(grep -v -e watching -e '^packets 192.0.2.1 17 ' "$work/client4.packets.log")"
finish
