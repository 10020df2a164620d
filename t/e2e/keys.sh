#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# socksify: what the keys of its config do to a program, as do its own options; and its exit codes.  Those of TLS are
# in private.sh, `auth` in gssapi.sh, `unprotected` in leaks.sh.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need curl dnsmasq ss
topology
start_services server4
start_services server6
# What client4 reaches by itself, and the gateway host does not.
host near ipv4
link client4 203.0.113.1/24 near 203.0.113.2/24
start_services near
on client4 "$BASH" -c 'echo "203.0.113.2 near.example nearby.example" >>/etc/hosts'

printf 'of alice\n' | "$crossgate" passwd "$work/passwords" alice
printf 'of bob\n' | "$crossgate" passwd "$work/passwords" bob
start_gateway gateway <<END
[auth]
method = userpass from 2001:db8:c::/64
method = none
password-file = $work/passwords
[access]
rule = permit from *
[external]
address = 198.51.100.1
address = 2001:db8:d::1
END
log=$work/gateway.log

conf=$work/socksify.conf
client=client4
with() { # CONFIG [OPTION...] PROGRAM [ARG...]: socksify with these lines as its config
  echo "$1" >"$conf"
  on $client env "SOCKS5_SERVER=$(client_gateway $client)" timeout 20 "$socksify" -c "$conf" "${@:2}" 2>&1
}
came_from='s/.*came from \(.*\)\./\1/p'
visitor() { # CONFIG HOST [OPTION...]: who the web server there thinks has come
  with "$1" "${@:3}" curl -sS -m 10 "http://$2/" | sed -n "$came_from"
}

# ---- which way -----------------------------------------------------------------------------------

equal "a server that only the client reaches: not through the Gateway" "" "$(visitor "" 203.0.113.2)"
equal "direct: an address" 203.0.113.1 "$(visitor "direct = 203.0.113.0/24" 203.0.113.2)"
equal "a name" 203.0.113.1 "$(visitor "direct = near.example" near.example)"
equal "a name whose port is told after the look-up; one by gethostbyname" "203.0.113.1 203.0.113.1" \
  "$(with "direct = near.example:80,nearby.example" "$python" -c '
import socket
by_name, by_address = socket.socket(), socket.socket()
by_name.connect(("near.example", 80))
by_address.connect((socket.gethostbyname_ex("nearby.example")[2][0], 80))
print(by_name.getsockname()[0], by_address.getsockname()[0])')"
equal "-d: a name" 203.0.113.1 "$(visitor "" near.example -d 192.0.2.77 -d "*.example.org,near.example")"
equal "and no other destination" 2001:db8:d::1 "$(visitor "direct = 203.0.113.0/24" only6.example -d near.example)"
equal "via: a route of its own" 203.0.113.1 "$(visitor "via = direct to 203.0.113.0/24" 203.0.113.2)"
equal "which comes before the Gateway" 2001:db8:d::1 "$(visitor "via = direct to 203.0.113.0/24" only6.example)"

datagram='
import errno, socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.2", 9))
    print("sent")
except OSError as error:
    print(errno.errorcode[error.errno])'
equal "udp = yes: a datagram" sent "$(with "udp = yes" "$python" -c "$datagram")"
equal "udp = no: none" ENETUNREACH "$(with "udp = no" "$python" -c "$datagram")"
equal "verbose = yes: it is said" "socksify: a datagram to 198.51.100.2:9 is refused ENETUNREACH" \
  "$(with $'udp = no\nverbose = yes' "$python" -c "$datagram" | sed 's/\[[0-9]*\]//' | paste -sd' ')"

listener='
import socket
connection = socket.create_connection(("only4.example", 7))
listener = socket.socket()
listener.bind((connection.getsockname()[0], 0))
listener.listen()
print(listener.getsockname()[0])'
equal "bind = auto: who listens beside a connection does so at the Gateway" 198.51.100.1 \
  "$(with "bind = auto" "$python" -c "$listener")"
equal "bind = never: on its own host" 192.0.2.2 "$(with "bind = never" "$python" -c "$listener")"

# ---- names ---------------------------------------------------------------------------------------

families() { # CONFIG NAME...: of which a program's answers are
  with "$1" getent ahosts "${@:2}" | sed -n 's/ *STREAM.*//p' | sed 's/.*:.*/ipv6/; t; s/.*/ipv4/' | paste -sd' '
}
equal "family = ipv4" ipv4 "$(families "family = ipv4" only6.example)"
equal "family = ipv6" ipv6 "$(families "family = ipv6" only4.example)"
equal "resolve = trust: every name is there" "ipv4 ipv6 ipv4 ipv6" \
  "$(families "resolve = trust" only6.example absent.example)"
equal "resolve = check: those that the Gateway knows" "ipv4 ipv6" \
  "$(families "resolve = check" only6.example absent.example)"
equal "fake-ipv4 and fake-ipv6: the addresses that a program sees" "True echo True echo" \
  "$(with $'fake-ipv4 = 198.18.0.0/15\nfake-ipv6 = 2001:db8:f::/64' "$python" -c '
import ipaddress, socket
for family, network in ((socket.AF_INET, "198.18.0.0/15"), (socket.AF_INET6, "2001:db8:f::/64")):
    connection = socket.socket(family)
    connection.connect(("only6.example", 7))
    connection.sendall(b"echo")
    print(ipaddress.ip_address(connection.getpeername()[0]) in ipaddress.ip_network(network), connection.recv(4).decode())
' | paste -sd' ')"

# ---- the conversation ----------------------------------------------------------------------------

# A server that says nothing before it has all of the request for whole.example.
cat >"$work/whole.py" <<'END'
import socket
listener = socket.create_server(("192.0.2.1", 1084))
while True:
    client = listener.accept()[0]
    request = client.recv(3 + 4 + 1 + len("whole.example") + 2, socket.MSG_WAITALL)
    print(request, flush=True)
    if request.endswith(b"whole.example\0P"):
        client.sendall(b"\5\0" + b"\5\0\0\1" + bytes(6) + b"hello")
    client.close()
END
service gateway "$work/whole.log" "$python" "$work/whole.py"
wait_listening gateway 1084 "the server that waits"
whole='
import errno, socket
try:
    print(socket.create_connection(("whole.example", 80)).recv(5).decode())
except OSError as error:
    print(errno.errorcode[error.errno])'
equal "pipeline = yes: all is sent before there is an answer" hello \
  "$(with "pipeline = yes" -g 192.0.2.1:1084 "$python" -c "$whole")"
equal "timeout: one that waits for more gives no answer" ETIMEDOUT \
  "$(with $'timeout = 1\nfamily = ipv4' -g 192.0.2.1:1084 "$python" -c "$whole")"

client=client6
equal "user and password" 198.51.100.1 "$(visitor $'user = alice\npassword = of alice' only4.example)"
matches "as that user" "user=alice .*to=only4.example:80 .*result=ok" "$log"
echo "of bob" >"$work/secret"
chmod 600 "$work/secret"
equal "password-file, and another user by -u" 198.51.100.1 \
  "$(visitor $'user = alice\n'"password-file = $work/secret" only4.example -u bob)"
matches "as this one" "user=bob .*to=only4.example:80 .*result=ok" "$log"
client=client4

# ---- the script ----------------------------------------------------------------------------------

printf '#!/bin/sh\ncurl -sS -m 10 http://only6.example/\n' >"$work/shell"
chmod +x "$work/shell"
equal "--shell: it is \$SHELL" 2001:db8:d::1 "$(SHELL=$work/shell with "" --shell | sed -n "$came_from")"
equal "or /bin/sh" /bin/sh "$(unset SHELL; with "" --shell <<<'echo $0')"
ends() { # WHAT CODE MESSAGE [OPTION...] PROGRAM: how socksify itself ends, and what it says
  local said
  said=$(with "" "${@:4}")
  equal "$1: exit $2" "$2: socksify: $3" "$?: $said"
}
ends "an option that there is not" 125 "there is no option -x; see socksify --help" -x true
ends "no argument for one" 125 "-g wants an argument; see socksify --help" -g
linker=$(ldd /bin/sh | grep -o '/[^ ]*/ld[^ ]*')
ends "a program that can't be socksified" 126 "$linker is statically linked, or the dynamic linker itself, so it can't be socksified" "$linker"
ends "one that there is not" 127 "no-such-program: no such program" no-such-program

# What passed the Gateway is told when it has ended, and by now all has.
stop_gateway gateway
equal "the Gateway was asked for the near server where it was the only way" 1 "$(grep -Ec 'to=(203\.0\.113\.2|near)' "$log")"
equal "it was asked for one association and one listener" "1 1" "$(grep -c command=udp "$log") $(grep -c command=bind "$log")"
equal "no name server was asked" "" "$(cat "$work/client4.leaks.log" "$work/client6.leaks.log")"
finish
