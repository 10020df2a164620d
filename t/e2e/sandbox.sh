#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a worker may do, as the kernel tells it, and what becomes of one that does more; and the same of the helper that
# checks passwords beside such workers.
. "$(dirname "$0")/lib.sh"
processes_die=yes
isolate "$@"
need curl dnsmasq ps setpriv
[ "$E2E_INSIDE" = root ] || skip_all "kernel: only root has privileges to give up"
topology
start_services server4
start_services server6

# A Gateway whose workers misbehave when they are asked to connect to certain ports.
sound=$crossgate
crossgate=$work/misbehaving
printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$top_builddir/t/e2e/.libs/misbehave.so" "$sound" >"$crossgate"
chmod +x "$crossgate"
start_gateway gateway <<END
[workers]
start = 12
spare-min = 12
spare-max = 12
max = 16
relays = 4
[access]
rule = permit from *
END
sed -i '1i user = nobody' "$work/gateway.conf"
stop_gateway gateway
launch_gateway gateway
master=${gateway_pid[gateway]}
start_relays client4
log=$work/gateway.log

status_of() { sed -n "s/^$2:\t//p" "/proc/$1/status"; }
worker=$(children "$master" | head -n 1)
equal "a worker runs as the user" "$(id -u nobody)" "$(status_of "$worker" Uid | cut -f 1)"
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
  equal "its $set is empty" 0000000000000000 "$(status_of "$worker" $set)"
done
equal "it can gain nothing by exec" 1 "$(status_of "$worker" NoNewPrivs)"
equal "it has a seccomp filter" 2 "$(status_of "$worker" Seccomp)"
equal "it waits for its turn when it is woken" B "$(ps -o cls= -p "$worker" | tr -d ' ')"
matches "it leaves no core" "^Max core file size *0 *0 " "/proc/$worker/limits"
memory=$(((1024 + 4) * 1024 * 1024))
matches "its memory is bounded by its relays" "^Max address space *$memory *$memory " "/proc/$worker/limits"

equal "3 relays opened" 3 "$(relays client4 open 3)"
misbehave() { # WHAT PORT CALL
  refute "$1: the client gets nothing" on client4 curl -sS -m 5 --socks5-hostname "$(client_gateway client4)" \
    "http://only6.example:$2/"
  matches "$1: the worker is killed with its relay, and the log names the call" \
    "event=\"worker died\" .*name=SIGSYS forbidden_call=$3 relays_lost=1" "$log"
}
misbehave "a worker that executes a program" 6661 execve
misbehave "one that opens a file to write" 6662 openat
misbehave "one that traces" 6663 ptrace
misbehave "one that opens a packet socket" 6664 socket
misbehave "one that changes its user" 6665 setuid
equal "the relays of the others go on" 3 "$(relays client4 alive)"
check "new clients are served" on client4 curl -sS -m 5 --socks5-hostname "$(client_gateway client4)" http://only6.example/
relays client4 close >/dev/null
stop_gateway gateway
check "nothing is left behind" wait_until 3 nothing_left

# ---- passwords -------------------------------------------------------------------------------------

crossgate=$sound
passwords=$work/passwd.crossgate
set_password() { # PASSWORD: alice's, in a file that is root's alone
  "$crossgate" passwd "$passwords" alice <<<"$1" && chmod 600 "$passwords"
}
login() { # PASSWORD
  on client4 timeout 30 "$python" "$e2e/login.py" 192.0.2.1:1080 alice "$1" 2>&1
}
set_password first
start_gateway gateway --user=nobody <<END
[workers]
start = 1
spare-min = 1
spare-max = 1
sandbox = no
[auth]
method = userpass
password-file = $passwords
[access]
rule = permit user alice
END
master=${gateway_pid[gateway]}
of_user() { # UID: the children of the master that run as this user
  local pid
  for pid in $(children "$master"); do [ "$(status_of "$pid" Uid | cut -f 1)" != "$1" ] || echo "$pid"; done
}
equal "workers that may not read the password file: a login" "reply 0" "$(login first)"
helper=$(of_user 0)
equal "one process is root's, the helper" 1 "$(wc -w <<<"$helper")"
for set in CapPrm CapEff; do
  equal "all that its $set has is the right to read files" 0000000000000004 "$(status_of "$helper" $set)"
done
for set in CapInh CapBnd CapAmb; do equal "its $set is empty" 0000000000000000 "$(status_of "$helper" $set)"; done
equal "it can gain nothing by exec" 1 "$(status_of "$helper" NoNewPrivs)"
for each in $(children "$helper"); do
  equal "who checks for it has no more" 0000000000000004 "$(status_of "$each" CapEff)"
done
set_password second
equal "the helper reads the file that has changed" "reply 0" "$(login second)"
worker=$(of_user "$(id -u nobody)" | head -n 1)
refute "a worker's user can't" setpriv --reuid=nobody --regid=65534 --clear-groups cat "$passwords"
equal "sandbox = no: a worker has no seccomp filter" 0 "$(status_of "$worker" Seccomp)"
bound_of() { grep '^Max address space' "/proc/$1/limits"; }
equal "nor a bound of its memory" "$(bound_of "$master")" "$(bound_of "$worker")"
equal "but still no privileges" 0000000000000000 "$(status_of "$worker" CapEff)"
finish
