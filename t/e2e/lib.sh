# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034 # the variables set here are for the tests
# What every end-to-end test stands on: hosts made of network namespaces, real programs on them, and the counting
# of results.  A test is a bash script that reads this file, calls `isolate "$@"`, and then `topology`:
#
#   client4 (IPv4 only)                      server4 (IPv4 only)
#      192.0.2.2 ---- 192.0.2.1 \          / 198.51.100.1 ---- 198.51.100.2
#                                gateway
#   2001:db8:c::2 -- 2001:db8:c::1 /       \ 2001:db8:d::1 --- 2001:db8:d::2
#   client6 (IPv6 only)                      server6 (IPv6 only)
#
# Nothing is routed between the two sides: who gets across went through the Gateway.  Only the gateway host can
# resolve names; on the clients a leak detector listens on port 53 and writes down whatever is asked.
#
# `isolate` starts the script again in process, mount and network namespaces of its own.  The kernel removes all
# of them, with every process and file inside, when the script ends, however it ends: there is nothing to clean
# up, and nothing of the machine's own network can be reached.  Without root it uses a user namespace; where the
# kernel grants neither, the test is skipped (exit 77).
#
# Each check prints one line, "ok ...", "not ok ..." or "skip ...".  `finish` exits 0, or 1 if a check failed, or if a
# process of the Gateway died or a sanitizer reported something that no check has looked at.

set -u -o pipefail
export LC_ALL=C

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_srcdir=${top_srcdir:-$(cd "$e2e/../.." && pwd)}
top_builddir=${top_builddir:-$top_srcdir}
crossgate=${CROSSGATE:-$top_builddir/crossgate}
socksify=${SOCKSIFY:-$top_builddir/socksify/socksify}
# Debian's own python3 has the modules that its packages install; another one first in PATH has not.
python=/usr/bin/python3
[ -x $python ] || python=python3

passed=0
failed=0
skipped=0
# A test in which processes of the Gateway die by anything but SIGKILL sets this to yes.
processes_die=no
sanitizers='Sanitizer|runtime error:'

# ---- results ------------------------------------------------------------------------------------

ok() {
  passed=$((passed + 1))
  echo "ok - $*"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $*"
}

skip() { # WHAT WHY: WHY starts with "missing" for a tool that bootstrap installs, with "optional" for one that it
  # does not, and with "kernel" for what no package can bring
  skipped=$((skipped + 1))
  echo "skip - $1 ($2)"
}

skip_all() { # WHY
  echo "skip - $(basename "$0"): everything ($1)"
  exit 77
}

# Counts the result lines of a part of the test that is a program of its own.
count_results() { # COMMAND [ARG...]
  local output
  output=$("$@" 2>&1 </dev/null)
  local status=$?
  echo "$output"
  passed=$((passed + $(grep -c '^ok' <<<"$output")))
  failed=$((failed + $(grep -c '^not ok' <<<"$output")))
  skipped=$((skipped + $(grep -c '^skip' <<<"$output")))
  [ $status = 0 ] || grep -q '^not ok' <<<"$output" || not_ok "$(basename "$0"): exit $status: $*"
}

# A broken stage is not a failed check: say so with what the services wrote, and end.
bail() {
  not_ok "$(basename "$0"): $*"
  look_for_reports
  show_logs
  exit 1
}

check() { # WHAT COMMAND [ARG...]: ok if the command succeeds; what it printed is shown if not
  local what=$1 output status
  shift
  output=$("$@" 2>&1 </dev/null)
  status=$?
  if [ $status = 0 ]; then
    ok "$what"
  else
    not_ok "$what (exit $status: $(cut -c 1-150 <<<"${*//$'\n'/;}"))"
    tail -n 15 <<<"$output" | sed 's/^/#   /'
  fi
  return $status
}

refute() { # WHAT COMMAND [ARG...]: ok if the command fails, but not by hanging (124), nor by a signal (from 128 on), nor
  # because it can't be run (126 and 127), nor with a sanitizer's report
  local what=$1 output status
  shift
  output=$("$@" 2>&1 </dev/null)
  status=$?
  if [ $status != 0 ] && [ $status != 124 ] && [ $status -lt 126 ] && ! grep -Eq "$sanitizers" <<<"$output"; then
    ok "$what"
  else
    not_ok "$what (exit $status: $*)"
    tail -n 15 <<<"$output" | sed 's/^/#   /'
    return 1
  fi
}

equal() { # WHAT WANTED SEEN
  if [ "$2" = "$3" ]; then
    ok "$1"
  else
    not_ok "$1 (wanted '$2', saw '$3')"
    return 1
  fi
}

within() { # WHAT LOW HIGH SEEN
  if [ -n "$4" ] && [ "$2" -le "$4" ] && [ "$4" -le "$3" ]; then
    ok "$1 ($4)"
  else
    not_ok "$1 (wanted $2 to $3, saw '$4')"
    return 1
  fi
}

matches() { # WHAT PATTERN FILE: the file has, or soon gets, a line that the extended pattern matches
  if wait_until 5 grep -Eqs -- "$2" "$3"; then
    ok "$1"
  else
    not_ok "$1 (no line in $(basename "$3") matches $2)"
    tail -n 8 "$3" 2>/dev/null | sed 's/^/#   /'
    return 1
  fi
}

wait_until() { # SECONDS COMMAND [ARG...]: tries the command until it succeeds
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@"; do
    [ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
    sleep 0.05
  done
}

show_logs() {
  local log
  [ -d "${work:-}" ] || return 0
  for log in "$work"/*.log; do
    [ -s "$log" ] || continue
    echo "# ---- the end of $(basename "$log")"
    tail -n 15 "$log" | sed 's/^/#   /'
  done
}

# Each process writes a file of its own, see own_environment.
look_for_reports() {
  [ -d "${work:-}" ] && grep -Eqs "$sanitizers" "$work"/*.log "$work"/reports/* || return 0
  not_ok "$(basename "$0"): a sanitizer found something"
  grep -Ehs -A 20 "$sanitizers" "$work"/*.log "$work"/reports/* | head -n 60 | sed 's/^/#   /'
}

# Another worker takes the place of one that dies, and no check may notice.  SIGKILL comes from the test itself, or
# from the master to those that take too long to end.
look_for_deaths() {
  [ -d "${work:-}" ] && [ $processes_die = no ] || return 0
  local deaths words='[a-zA-Z ]+ (died|dies|killed)|login checker replaced|bad orders|worker is not heard any more'
  words="event=\"($words|(auth helper )?cannot drop privileges|the GSSAPI [a-z ]*helper can't work)\""
  deaths=$(grep -Ehs "$words" "$work"/*.log "$work"/*.log.1 | grep -v name=SIGKILL)
  [ -n "$deaths" ] || return 0
  not_ok "$(basename "$0"): processes of the Gateway have died or erred"
  head -n 20 <<<"$deaths" | sed 's/^/#   /'
}

finish() {
  local name
  # What leaks is told at the end.
  for name in "${!gateway_pid[@]}"; do
    stop_gateway "$name" || not_ok "$(basename "$0"): the Gateway on $name does not end"
  done
  look_for_reports
  look_for_deaths
  [ $failed = 0 ] || show_logs
  echo "# $(basename "$0"): $passed passed, $failed failed, $skipped skipped"
  [ $failed = 0 ] || exit 1
  [ $passed != 0 ] || exit 77
  exit 0
}

need() { # TOOL...: skips the whole test where one of these programs is missing
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || skip_all "missing tool: $tool"
  done
}

have() { # WHAT TOOL: for a part of a test
  command -v "$2" >/dev/null && return 0
  skip "$1" "missing tool: $2"
  return 1
}

answers() { # TEXT COMMAND [ARG...]: does the command succeed and print the text?
  local text=$1 answer
  shift
  answer=$("$@" 2>&1) && grep -Fq -- "$text" <<<"$answer" || { echo "$answer"; return 1; }
}

converses() { # COMMAND...: does the command, fed as by a typist, get through the telnet service's dialogue?
  local told=$work/dialogue
  : >"$told"
  { echo crossgate; wait_until 5 grep -q "welcome, crossgate" "$told"; } | "$@" >"$told" 2>&1
  grep -q "welcome, crossgate" "$told" || { cat "$told"; return 1; }
}

# ---- a world of its own -------------------------------------------------------------------------

isolate() { # the script's own arguments
  enter_own_world "$@" || skip_all "$why_not"
}

why_not=
enter_own_world() { # the script's own arguments: starts the script again inside, or tells $why_not
  if [ -z "${E2E_INSIDE:-}" ]; then
    command -v unshare >/dev/null || { why_not="missing tool: unshare"; return 1; }
    [ -e /proc/sys/net/ipv6 ] || { why_not="kernel without IPv6"; return 1; }
    local own=(--net --mount --pid --fork --kill-child --mount-proc) user
    for user in "" "--user --map-root-user"; do
      [ -n "$user" ] || [ "$(id -u)" = 0 ] || continue
      # shellcheck disable=SC2086 # two words
      if unshare $user "${own[@]}" ip link add cg0 type veth peer name cg1 2>/dev/null; then
        exec env E2E_INSIDE="${user:-root}" E2E_UID="$(id -u)" unshare $user "${own[@]}" "$BASH" "$0" "$@"
      fi
    done
    why_not="kernel grants no namespaces here"
    return 1
  fi
  # As process 1 of its namespace this shell gets only the signals it has handlers for.
  trap 'exit 130' INT TERM HUP
  mount -t tmpfs -o mode=755 tmpfs /run || bail "no private /run"
  work=/run/e2e
  mkdir -p $work /run/sshd
  own_environment
  # What a host looks up is not the machine's business either.
  printf 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n' >$work/nsswitch.conf
  {
    echo "root:x:0:0:root:$HOME:$BASH"
    [ "$E2E_UID" = 0 ] || echo "e2e:x:$E2E_UID:65534:e2e:$HOME:$BASH"
    grep -v '^root:' /etc/passwd
  } >$work/passwd
  ulimit -n "$(ulimit -Hn)"
}

own_environment() { # no setting of the caller's reaches the programs under test
  mkdir -p "$work/home" "$work/reports"
  # Workers may run as another user, and daemons have no stderr.  (GCC's libubsan writes there all the same when it is
  # a shared library beside libasan; then the death of a worker is what is seen.)
  chmod 1777 "$work/reports"
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$work/reports/of
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$work/reports/of
  export PYTHONDONTWRITEBYTECODE=1 HOME=$work/home TMPDIR=$work XDG_CONFIG_HOME=$work/home GIT_CONFIG_NOSYSTEM=1
  unset http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY \
    SOCKS5_SERVER SOCKS5_USER SOCKS5_PASSWD SOCKSIFY_CONF MAKEFLAGS MFLAGS MAKELEVEL
}

# May a test use N descriptors in one process?
need_descriptors() { # N
  [ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge "$1" ] ||
    skip_all "kernel limit: $1 descriptors are needed, $(ulimit -n) are granted"
}

declare -A host_pid=()

host() { # NAME ipv4|ipv6|both [NAMESERVER]: a new host, with a network, a name and a view of /etc of its own
  local name=$1 families=$2 nameserver=${3:-127.0.0.1} pid file
  unshare --net --mount --uts sleep infinity &
  pid=$!
  disown $pid
  host_pid[$name]=$pid
  # Once it sleeps it has left this script's namespaces.
  wait_until 5 grep -qs sleep "/proc/$pid/comm" || bail "host $name did not start"
  on "$name" hostname "$name"
  echo "nameserver $nameserver" >"$work/$name.resolv.conf"
  printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$name" >"$work/$name.hosts"
  for file in nsswitch.conf passwd "$name.hosts" "$name.resolv.conf"; do
    on "$name" mount --bind "$work/$file" "/etc/${file#"$name".}" || bail "host $name: cannot replace /etc/$file"
  done
  if [ "$families" = ipv4 ]; then
    on "$name" "$BASH" -c 'for each in all default lo; do echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6; done'
  fi
  # Without root, sshd and the others listen on low ports without any capability.
  on "$name" "$BASH" -c 'echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start'
  on "$name" ip link set lo up || bail "host $name: no loopback"
}

host_list() { # for t/e2e/socks.py
  local name
  for name in "${!host_pid[@]}"; do echo "$name=${host_pid[$name]}"; done | tr '\n' ' '
}

on() { # HOST COMMAND [ARG...]: runs the command on the host, in this folder
  (become "$@")
}

become() { # HOST COMMAND [ARG...]: the same in place of this shell, so that `become ... &` has the command's own $!
  local name=$1
  shift
  exec nsenter --target "${host_pid[$name]}" --net --mount --uts "$BASH" -c 'cd "$0" && exec "$@"' "$PWD" "$@"
}

link() { # HOST ADDRESS[,ADDRESS...] HOST ADDRESS[,ADDRESS...]: a cable between two hosts
  link_count=$((${link_count:-0} + 1))
  local left=$1 right=$3 each
  ip link add "eth$link_count" netns "${host_pid[$left]}" type veth \
    peer name "eth$link_count" netns "${host_pid[$right]}" || bail "no cable from $left to $right"
  for each in ${2//,/ }; do add_address "$left" "$each" "eth$link_count"; done
  for each in ${4//,/ }; do add_address "$right" "$each" "eth$link_count"; done
  on "$left" ip link set "eth$link_count" up
  on "$right" ip link set "eth$link_count" up
}

add_address() { # HOST ADDRESS/PREFIX INTERFACE
  case $2 in
    *:*) on "$1" ip address add "$2" dev "$3" nodad ;;
    *) on "$1" ip address add "$2" dev "$3" ;;
  esac || bail "no address $2 on $1"
}

topology() {
  host client4 ipv4 192.0.2.53
  host client6 ipv6 2001:db8:53::53
  host gateway both 127.0.0.1
  host server4 ipv4
  host server6 ipv6
  link client4 192.0.2.2/24 gateway 192.0.2.1/24
  link client6 2001:db8:c::2/64 gateway 2001:db8:c::1/64
  link gateway 198.51.100.1/24 server4 198.51.100.2/24
  link gateway 2001:db8:d::1/64 server6 2001:db8:d::2/64
  # Everything is sent to the gateway host, which routes nothing: a program that goes direct gets nowhere.
  on client4 ip route add default via 192.0.2.1
  on client6 ip route add default via 2001:db8:c::1
  add_address client4 192.0.2.53/32 lo
  add_address client6 2001:db8:53::53/128 lo
  start_names
  start_leak_detector client4
  start_leak_detector client6
}

client_gateway() { # CLIENT: where the client finds the Gateway
  case $1 in
    client4) echo "192.0.2.1:1080" ;;
    client6) echo "[2001:db8:c::1]:1080" ;;
  esac
}

server_address() { # SERVER
  case $1 in
    server4) echo 198.51.100.2 ;;
    server6) echo 2001:db8:d::2 ;;
  esac
}

url_address() { # SERVER: its address as a URL wants it
  case $1 in
    server4) echo 198.51.100.2 ;;
    server6) echo "[2001:db8:d::2]" ;;
  esac
}

gateway_address() { # SERVER: the address by which this server knows the Gateway
  case $1 in
    server4) echo 198.51.100.1 ;;
    server6) echo 2001:db8:d::1 ;;
  esac
}

server_name() { # SERVER: a name that only has this server's family
  case $1 in
    server4) echo only4.example ;;
    server6) echo only6.example ;;
  esac
}

# ---- services -----------------------------------------------------------------------------------

service() { # HOST LOG COMMAND [ARG...]: runs until the test ends; its process id is in $service_pid
  local name=$1 log=$2
  shift 2
  become "$name" "$@" >>"$log" 2>&1 </dev/null &
  service_pid=$!
  disown $service_pid
}

listens() { # HOST PORT [udp]
  [ -n "$(on "$1" ss -H -n -l "${3:---tcp}" "sport = :$2")" ]
}

wait_listening() { # HOST PORT WHAT [--udp]
  wait_until 10 listens "$1" "$2" "${4:---tcp}" || bail "$3 does not listen on port $2 of $1"
}

name_server() { # HOST LOG PORT OPTION...: dnsmasq, which knows what the options tell it and nothing else
  service "$1" "$2" dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --pid-file= --port="$3" "${@:4}"
  wait_listening "$1" "$3" dnsmasq
}

# Names with only an A record, only an AAAA record, both, neither; every other name under .example is unknown.
start_names() {
  name_server gateway "$work/names.log" 53 --listen-address=127.0.0.1 --bind-interfaces --log-queries \
    --local=/example/ \
    --host-record=only4.example,198.51.100.2 \
    --host-record=only6.example,2001:db8:d::2 \
    --host-record=both.example,198.51.100.2,2001:db8:d::2 \
    --txt-record=neither.example,nothing
}

start_leak_detector() { # CLIENT
  service "$1" "$work/$1.leaks.log" "$python" "$e2e/serve.py" dns:53
  wait_listening "$1" 53 "the leak detector" --udp
}

# Writes down every packet that the client sends to anything but the Gateway's port.
start_packet_watch() { # CLIENT
  service "$1" "$work/$1.packets.log" "$python" "$e2e/serve.py" packets:1080
  wait_until 5 grep -qs watching "$work/$1.packets.log" || bail "packets on $1 cannot be watched"
}

# Web, git over http, echo and telnet on a server; log lines are "SERVICE PEER-ADDRESS ...".
start_services() { # SERVER
  mkdir -p "$work/www"
  echo "hello from $1" >"$work/www/$1.txt"
  service "$1" "$work/$1.log" "$python" "$e2e/serve.py" --root "$work/www" web:80 echo:7 sink:9 early:10 reset:11 telnet:23
  wait_listening "$1" 80 "the web server"
}

make_repository() { # a bare repository under the web root, served by git http-backend as /git/project.git
  local repository=$work/www/git/project.git
  git init --quiet --bare --initial-branch=main "$repository"
  git -C "$repository" config http.receivepack true
  local tree commit
  tree=$(git -C "$repository" mktree </dev/null)
  commit=$(git -c user.name=e2e -c user.email=e2e@example -C "$repository" commit-tree -m first "$tree")
  git -C "$repository" update-ref refs/heads/main "$commit"
}

# sshd with keys of its own.  A user namespace has no second user to separate privileges with, so there it runs as
# the user who started the test.
# Clients log in as $ssh_user.
ssh_user=root
start_ssh() { # SERVER
  local other_user=()
  if [ ! -f "$work/ssh/key" ]; then
    mkdir "$work/ssh"
    ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/key"
    cp "$work/ssh/key.pub" "$work/ssh/authorized_keys"
    cat >"$work/ssh/sshd_config" <<END
HostKey $work/ssh/host_key
AuthorizedKeysFile $work/ssh/authorized_keys
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
UseDNS no
LogLevel VERBOSE
MaxStartups 100
END
    cat >"$work/ssh/config" <<END
IdentityFile $work/ssh/key
UserKnownHostsFile /dev/null
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking no
LogLevel ERROR
BatchMode yes
END
  fi
  if [ "$E2E_INSIDE" != root ]; then
    ssh_user=e2e
    other_user=(unshare --user --map-user="$E2E_UID")
  fi
  service "$1" "$work/$1.ssh.log" "${other_user[@]}" "$(command -v sshd)" -D -e -p 22 -f "$work/ssh/sshd_config"
  wait_listening "$1" 22 sshd
}

# Anonymous FTP from $work/ftp, which the test fills.
start_ftp() { # SERVER
  local listen="listen=YES
listen_ipv6=NO"
  [[ $1 != *6 ]] || listen="listen=NO
listen_ipv6=YES"
  cat >"$work/$1.vsftpd.conf" <<END
$listen
anonymous_enable=YES
no_anon_password=YES
ftp_username=root
anon_root=$work/ftp
secure_chroot_dir=$work/ftp
run_as_launching_user=YES
background=NO
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
connect_from_port_20=NO
xferlog_enable=NO
END
  service "$1" "$work/$1.ftp.log" "$(command -v vsftpd)" "$work/$1.vsftpd.conf"
  wait_listening "$1" 21 vsftpd
}

# ---- the Gateway --------------------------------------------------------------------------------

# Starts a Gateway on a host with the config on standard input; [listen] is there already.
# Its log is $work/HOST.log, its config $work/HOST.conf, its process id gateway_pid[HOST].
declare -A gateway_pid=()
start_gateway() { # HOST [OPTION...]
  local name=$1
  shift
  {
    echo "[listen]"
    echo "socks = 0.0.0.0:1080"
    echo "socks = [::]:1080"
    cat
  } >"$work/$name.conf"
  launch_gateway "$name" "$@"
}

launch_gateway() { # HOST [OPTION...]: starts the Gateway with the config that is there
  local name=$1
  shift
  become "$name" "$crossgate" --foreground -f "$work/$name.conf" "$@" >>"$work/$name.log" 2>&1 </dev/null &
  gateway_pid[$name]=$!
  disown $!
  wait_until 10 gateway_settled "$name"
  ! gone "${gateway_pid[$name]}" || bail "the Gateway on $name did not start"
}

gateway_settled() { # HOST: it listens, or has given up
  listens "$1" 1080 || gone "${gateway_pid[$1]}"
}

stop_gateway() { # HOST [SIGNAL]: ends it and waits until it is gone
  kill "-${2:-INT}" "${gateway_pid[$1]}" 2>/dev/null
  wait_until 10 gone "${gateway_pid[$1]}"
}

gone() { # PID...
  local pid
  for pid in "$@"; do
    ! kill -0 "$pid" 2>/dev/null || [ "$(ps -o stat= -p "$pid" | cut -c1)" = Z ] || return 1
  done
}

forgotten() { # FILE: has nobody this file open any more?
  [ -z "$(find /proc/[0-9]*/fd -lname "$1" 2>/dev/null)" ]
}

children() { # PID: one process id per line
  ps -o pid= --ppid "$1" | tr -d ' '
}

cpu_ticks() { # HOST: what the Gateway's processes, and those that have ended, have used, in ticks of 10 ms
  local total=0 pid
  for pid in "${gateway_pid[$1]}" $(children "${gateway_pid[$1]}"); do
    total=$((total + $(awk '{ print $14 + $15 + $16 + $17 }' "/proc/$pid/stat")))
  done
  echo $total
}

# Is nothing of the Gateway left, on any host?
nothing_left() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/exe")" != "$(readlink -f "$crossgate")" ] || return 1
  done
}

busy_workers() { # HOST: the processes that hold a client's connection, one per line
  on "$1" ss -H -n -t -p state established '( sport = :1080 )' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -un
}

# Without capabilities, as the programs of ordinary users are.
socksified() { # CLIENT COMMAND [ARG...]
  local name=$1
  shift
  on "$name" setpriv --bounding-set=-all --inh-caps=-all \
    env "SOCKS5_SERVER=$(client_gateway "$name")" "$socksify" "$@"
}

# ---- relays that stay open while the test does something ----------------------------------------

# relays CLIENT ORDER [NUMBER]: gives an order to the client's relays.py and prints its answer.  The relays go
# through the Gateway to the echo service of $relays_to (a name that the Gateway knows).
relays_to=both.example
declare -A relays_in=() relays_out=()
relays() {
  local name=$1 answer
  shift
  echo "$*" >&"${relays_in[$name]}"
  read -r -t 60 answer <&"${relays_out[$name]}" || answer="no answer"
  echo "$answer"
}

start_relays() { # CLIENT: before the first order
  mkfifo "$work/$1.orders" "$work/$1.answers"
  become "$1" "$python" "$e2e/relays.py" "$(client_gateway "$1")" "$relays_to" 7 \
    <"$work/$1.orders" >"$work/$1.answers" 2>>"$work/$1.relays.log" &
  disown $!
  local orders answers
  exec {orders}>"$work/$1.orders" {answers}<"$work/$1.answers"
  relays_in[$1]=$orders
  relays_out[$1]=$answers
}
