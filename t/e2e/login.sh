#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# User name and password: the password file and its command, PAM, who is let in and who is slowed down and refused,
# and whose client it is behind a load balancer.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
isolate "$@"
need curl dnsmasq ss ncat haproxy flock
topology
start_services server4
passwords=$work/passwd.crossgate
hello="Hello! This is the web server; your connection came from 198.51.100.1."

# ---- the file ------------------------------------------------------------------------------------

set_password() { # USER PASSWORD
  "$crossgate" passwd "$passwords" "$1" <<<"$2"
}
long_user=$(printf 'u%.0s' {1..255})
long_password=$(printf 'p%.0s' {1..255})
(umask 0; set_password alice "first")
equal "crossgate passwd makes a file that others can't read" 640 "$(stat -c %a "$passwords")"
check "it changes a password" set_password alice "right"
check "a user name and a password of 255 octets each" set_password "$long_user" "$long_password"
refute "256 are too many" set_password "u$long_user" right
refute "a user name with a colon" set_password "a:b" right
refute "an empty password" set_password carol ""
set_password bob right
check "-D deletes" "$crossgate" passwd -D "$passwords" bob
refute "and says when there is nobody to delete" "$crossgate" passwd -D "$passwords" bob
equal "a line for each user" "alice $long_user" "$(cut -d: -f1 "$passwords" | tr '\n' ' ' | sed 's/ $//')"
equal "with a yescrypt hash" 2 "$(grep -c '^[^:]*:\$y\$' "$passwords")"
# On a terminal.
cat >"$work/type.py" <<'END_OF_TYPE'
import os, pty, sys, termios
*command, first, second = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
told = b""
def read_until(text):
    global told
    try:
        while text not in told:
            told += os.read(terminal, 1000)
    except OSError:  # all have left the terminal
        pass
read_until(b"Password: ")
echo = termios.tcgetattr(terminal)[3] & termios.ECHO
os.write(terminal, first.encode() + b"\n")
read_until(b"Again: ")
os.write(terminal, second.encode() + b"\n")
read_until(b"nothing says so")
print(told.decode().replace("\r\n", "|"), f"echo {echo} exit code {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")
END_OF_TYPE
typed() { # PASSWORD AGAIN: as on a terminal
  timeout 20 "$python" "$work/type.py" "$crossgate" passwd "$passwords" tina "$@"
}
equal "on a terminal it asks twice, and shows nothing of what is typed" "Password: |Again: | echo 0 exit code 0" \
  "$(typed "typed twice" "typed twice")"
check "and adds the user" grep -q '^tina:' "$passwords"
before=$(cat "$passwords")
equal "two passwords that differ are refused" \
  "Password: |Again: |crossgate passwd: the two passwords differ| echo 0 exit code 1" "$(typed "typed once" "typed twice")"
equal "and change nothing" "$before" "$(cat "$passwords")"
"$crossgate" passwd -D "$passwords" tina

# Another command has the file locked; it goes on when that one has put a new file in the place of the old.
flock --no-fork "$passwords" sleep 60 &
other=$!
has_lock() { awk '$2 == "FLOCK" { print $5 }' /proc/locks | grep -qx "$1"; }
awaits_lock() { awk '$2 == "->" { print $6 }' /proc/locks | grep -qx "$1"; }
wait_until 10 has_lock "$other"
"$crossgate" passwd "$passwords" vera <<<right &
waiting=$!
check "a command waits for another that changes the file" wait_until 10 awaits_lock "$waiting"
{ cat "$passwords"; echo 'wanda:!'; } >"$passwords.next"
mv "$passwords.next" "$passwords"
kill "$other"
wait "$waiting"
equal "then it changes it too" 0 $?
equal "and no change is lost" "vera wanda" "$(grep -o -e ^vera -e ^wanda "$passwords" | sort | tr '\n' ' ' | sed 's/ $//')"
"$crossgate" passwd -D "$passwords" vera
"$crossgate" passwd -D "$passwords" wanda
# Of other programs: SHA-512 and bcrypt.
cat >>"$passwords" <<'END'
sha:$6$rounds=1000$abc$L49KHVDH7dx1DLB1QCAaFWdSAxn4hZjeqUBMOeOAindyaFjDFc6TBM72TifrctYRRLVDwGLb6UKNu16iQRSDx/
blow:$2b$04$4Pz3fvQ0O42x.P0dqnp7lOgb/AqMnunzptN1WpOYbTnTeutwzZYN6
grace:$6$rounds=1000$abc$L49KHVDH7dx1DLB1QCAaFWdSAxn4hZjeqUBMOeOAindyaFjDFc6TBM72TifrctYRRLVDwGLb6UKNu16iQRSDx/
heidi:$6$rounds=1000$abc$L49KHVDH7dx1DLB1QCAaFWdSAxn4hZjeqUBMOeOAindyaFjDFc6TBM72TifrctYRRLVDwGLb6UKNu16iQRSDx/
locked:!$6$rounds=1000$abc$x
END

mkdir "$work/pam.d"
cat >"$work/pam.d/crossgate" <<END
auth required pam_exec.so quiet expose_authtok $work/ask
account required pam_permit.so
END
cat >"$work/ask" <<'END'
#!/bin/sh
[ "$PAM_USER" = paula ] && [ "$(tr -d '\0')" = "of pam" ] && [ "${PAM_RHOST%.*}" = 192.0.2 ]
END
chmod 755 "$work/ask"
on gateway mount --bind "$work/pam.d" /etc/pam.d
# A group of the system: of the one member it is the first group, the other is in its list.
echo "testers:x:4242:heidi" >"$work/group"
on gateway mount --bind "$work/group" /etc/group
echo "grace:x:4200:4242::/nonexistent:/bin/false" >>"$work/passwd"

start_gateway gateway <<END
socks = 0.0.0.0:1082 proxy from 127.0.0.0/8
[auth]
method = none from 192.0.2.1
method = userpass from 192.0.2.0/24,127.0.0.1,2001:db8:c::2,203.0.113.0/24
password-file = $passwords
pam = crossgate
failures = 4
refuse = 4
[access]
group = staff alice,paula
rule = permit group staff user sha,blow,$long_user
rule = permit group testers per-user 2
END
log=$work/gateway.log

# ---- who is let in -------------------------------------------------------------------------------

with_curl() { # OPTION...
  on client4 curl -sS -m 10 --socks5-hostname 192.0.2.1:1080 "$@" http://only4.example/ 2>&1
}
login() { # [OPTION...] USER PASSWORD
  on client4 timeout 30 "$python" "$e2e/login.py" "${gateway_at:-192.0.2.1:1080}" "$@" 2>&1
}
equal "curl with user and password" "$hello" "$(with_curl --proxy-user alice:right)"
matches "the log names the user and the method" \
  "user=alice auth=userpass command=connect to=only4.example:80 .*result=ok" "$log"
equal "ncat --proxy-auth" "HTTP/1.1 200 OK" "$(printf 'GET / HTTP/1.0\r\n\r\n' |
  on client4 ncat --proxy-type socks5 --proxy 192.0.2.1:1080 --proxy-auth alice:right 198.51.100.2 80 | head -n 1 | tr -d '\r')"
equal "255 octets of each, with curl" "$hello" "$(with_curl --proxy-user "$long_user:$long_password")"
equal "255 octets of each" "reply 0" "$(login 'u*255' 'p*255')"
equal "PAM knows who is not in the file" "reply 0" "$(login paula 'of pam')"
matches "and the rules know its user's group" "user=paula auth=userpass command=connect" "$log"
equal "a hash of SHA-512, as other programs make it" "reply 0" "$(login sha right)"
equal "and one of bcrypt" "reply 0" "$(login blow right)"
equal "members of a group of the system, each with as many sessions as a user may have" \
  "reply 0 reply 0 reply 2 reply 0" "$(login times=3 then=heidi grace right | tr '\n' ' ' | sed 's/ $//')"
matches "the log says so" 'user=grace .*result=denied reason="the limit per-user of the rule at' "$log"

# ---- who is not ----------------------------------------------------------------------------------

for each in {11..18}; do add_address client4 "192.0.2.$each/24" eth1; done
refute "curl with a wrong password" with_curl --interface 192.0.2.11 --proxy-user alice:wrong
matches "the log says why, and not the password" \
  'user=alice auth=userpass .*result=denied reason="wrong user name or password"' "$log"
refute "curl without one where one is asked for" with_curl --interface 192.0.2.11
matches "the log says why" 'result=denied reason="the client offers no method that it may use"' "$log"

# Each from an address of its own, and all at once: failures make the answers slow.
tries=(
  12 "an empty user name" '' right
  13 "an empty password" blow ''
  14 "a NUL behind the user name" 'alice\0' right
  15 "a NUL behind the password" sha 'right\0more'
  16 "a NUL in what PAM is asked" paula 'of pam\0more'
  17 "a locked entry" locked right
  18 "nobody's name" nobody right)
for ((i = 0; i < ${#tries[@]}; i += 4)); do
  login "from=192.0.2.${tries[i]}" "${tries[i + 2]}" "${tries[i + 3]}" >"$work/try.${tries[i]}" &
done
for ((i = 0; i < ${#tries[@]}; i += 4)); do
  wait_until 10 [ -s "$work/try.${tries[i]}" ]
  equal "${tries[i + 1]} is refused" "status 1" "$(cat "$work/try.${tries[i]}")"
done
refute "the log has no bare NUL" grep -qaP '\x00' "$log"
refute "and no password" grep -Eq "right|wrong[^ ]|of pam|$long_password" "$log"

# ---- brute force ---------------------------------------------------------------------------------

begin=${EPOCHREALTIME/./}
milliseconds() { echo $(((${EPOCHREALTIME/./} - begin) / 1000)); }
for try in 1 2 3 4; do
  { login mallory "guess$try" >"$work/guess.$try"; milliseconds >"$work/took.$try"; } &
done
matches "a source that keeps failing is refused" 'event="source refused" client=192.0.2.2 failures=4 seconds=4' "$log"
equal "another source logs in" "reply 0" "$(on client6 "$python" "$e2e/login.py" "[2001:db8:c::1]:1080" alice right)"
within "while this many guesses still wait for their answers" 1 4 $((4 - $(cat "$work"/took.? 2>/dev/null | wc -l)))
equal "even with the right password" "status 1" "$(login alice right)"
matches "the log says why" 'reason="too many failed logins from this source"' "$log"
wait
equal "each guess was wrong" "status 1" "$(sort -u "$work"/guess.?)"
within "which was told after half a second, 1, 2, and 4" 4000 30000 "$(sort -n "$work"/took.? | tail -n 1)"
forgiven() { [ "$(login alice right)" = "reply 0" ]; }
check "and after a while it is forgiven" wait_until 10 forgiven

# ---- a changed password --------------------------------------------------------------------------

equal "a password" "reply 0" "$(login alice right)"
set_password alice new
equal "once it is changed, the new one is good at once" "reply 0" "$(login alice new)"
equal "and after a second, the old one is not remembered" "status 1" "$(sleep 1; login alice right)"

# ---- a file that can't be read -------------------------------------------------------------------

mv "$passwords" "$passwords.away"
equal "where nobody knows who is in the file, PAM is not asked" "status 1" "$(login paula 'of pam')"
matches "the log says why" "event=\"password file cannot be read\" reason=\"$passwords: No such file" "$log"
mv "$passwords.away" "$passwords"
equal "and again once it is there" "reply 0" "$(login paula 'of pam')"

# ---- behind a load balancer ----------------------------------------------------------------------

cat >"$work/haproxy.conf" <<'END'
defaults
  mode tcp
  timeout connect 5s
  timeout client 10s
  timeout server 10s
listen v1
  bind 192.0.2.1:1083
  server gateway 127.0.0.1:1082 send-proxy
listen v2
  bind 192.0.2.1:1084
  server gateway 127.0.0.1:1082 send-proxy-v2
END
more_lines() { [ "$(wc -l <"$log")" -gt "$1" ]; }
service gateway "$work/haproxy.log" haproxy -db -f "$work/haproxy.conf"
wait_listening gateway 1084 haproxy
for version in 1 2; do
  lines=$(wc -l <"$log")
  equal "PROXY version $version of HAProxy" "reply 0" "$(gateway_at=192.0.2.1:108$((version + 2)) login alice new)"
  wait_until 5 more_lines "$lines"
  equal "the log has the client's own address" 1 \
    "$(tail -n "+$((lines + 1))" "$log" | grep -c "client=192.0.2.2:[0-9]* user=alice auth=userpass")"
done
forged='PROXY TCP4 203.0.113.9 192.0.2.1 1 1080\r\n'
equal "a source that is not named can forge no header" closed "$(gateway_at=192.0.2.1:1082 login "header=$forged" alice new)"
refute "nor appear by another address" grep -q "client=203.0.113.9" "$log"
equal "and is served without one" "reply 0" "$(gateway_at=192.0.2.1:1082 login alice new)"
finish
