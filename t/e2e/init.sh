#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The init script: the exit code of every action in every state, as LSB 5.0 wants it, and what it leaves alone.
. "$(dirname "$0")/lib.sh"
isolate "$@"
need ss sed install
mount -t tmpfs tmpfs /etc/init.d || bail "no private /etc/init.d"
init=/etc/init.d/crossgate
rundir=$work/run
pidfile=$rundir/crossgate/crossgate.pid
conf=$work/etc/crossgate.conf
mkdir -p "$work/etc/default" "$work/sbin"
ln -s "$(readlink -f "$crossgate")" "$work/sbin/crossgate"
sed -e "s|@sbindir@|$work/sbin|g" -e "s|@sysconfdir@|$work/etc|g" -e "s|@defaultdir@|$work/etc/default|g" \
  -e "s|@runstatedir@|$rundir|g" "$top_srcdir/etc/init.d/crossgate.in" >$init
chmod +x $init
echo "OPTIONS='--log.to=$work/gateway.log'" >"$work/etc/default/crossgate"
ip link set lo up || bail "no loopback"
good_config() {
  printf '[listen]\nsocks = 127.0.0.1:1080\n[workers]\nstart = 1\nspare-min = 1\ndrain = 5\n' >"$conf"
}
good_config

init() { # ACTION: runs it; what it printed is in $work/init.log, its exit code is this one's
  timeout 60 "$init" "$1" >"$work/init.log" 2>&1 </dev/null
}
master() { cat "$pidfile" 2>/dev/null; }
runs() { [ -n "$(master)" ] && [ "$(cat "/proc/$(master)/comm" 2>/dev/null)" = crossgate ]; }
listening() { [ -n "$(ss -H -n -l -t 'sport = :1080')" ]; }

become_stopped() {
  if runs; then
    kill -INT "$(master)"
    wait_until 10 nothing_left || bail "the Gateway does not end"
  fi
  rm -f "$pidfile"
}
become_running() { runs || init start || bail "it does not start: $(cat "$work/init.log")"; }
become_dead() {
  become_running
  kill -KILL "$(master)"
  wait_until 10 nothing_left || bail "the workers outlive a killed master"
  [ -e "$pidfile" ] || bail "a killed master has no pid file"
}

exits() { # STATE ACTION CODE
  become_"$1"
  before=$(master)
  init "$2"
  equal "$1: $2 exits with $3" "$3" $? || sed 's/^/#   /' "$work/init.log"
}
serves() { runs && listening; }
silent() { ! runs && wait_until 5 nothing_left && [ ! -e "$pidfile" ]; }

# ---- every action in every state -----------------------------------------------------------------
for state in stopped dead; do
  exits $state start 0
  check "$state: and it serves when start is done" serves
  exits $state stop 0
  check "$state: and there is no pid file after stop" silent
  exits $state restart 0
  check "$state: and restart starts it" serves
  exits $state try-restart 0
  refute "$state: and try-restart does not start it" runs
  for action in reload force-reload upgrade; do exits $state $action 7; done
  exits $state configtest 0
done
exits stopped status 3
exits dead status 1
exits running status 0
exits running configtest 0
exits running start 0
equal "running: and start leaves it as it is" "$before" "$(master)"
for action in reload force-reload; do
  exits running $action 0
  equal "running: and $action leaves the master" "$before" "$(master)"
done
for action in restart try-restart upgrade; do
  exits running $action 0
  check "running: and it serves after $action" serves
  check "running: $action leaves one master, another one" test "$(master)" != "$before"
  wait_until 10 gone "$before" || not_ok "running: the master from before $action is still there"
done
both_reloads() { [ "$(grep -c "event=reloaded" "$work/gateway.log")" = 2 ]; }
check "each reload was heard" wait_until 5 both_reloads
exits running stop 0
check "running: and nothing is left after stop" silent

# ---- what stands in the way -----------------------------------------------------------------------
for action in "" nonsense; do exits stopped "$action" 2; done
become_running
before=$(master)
echo nonsense >"$conf"
for action in configtest reload force-reload restart try-restart upgrade; do
  exits running $action 6
  matches "and $action names the mistake" "crossgate.conf:1" "$work/init.log"
done
equal "a configuration with mistakes never stops what runs" "$before" "$(master)"
check "which still serves" serves
rm "$work/sbin/crossgate"
cat >"$work/sbin/crossgate" <<END
#!/bin/sh
case "\$*" in *--check*) exit 0 ;; esac
echo "not this time" >&2
exit 1
END
chmod +x "$work/sbin/crossgate"
begun=$SECONDS
exits running upgrade 1
within "an upgrade that fails is waited for no longer" 0 10 $((SECONDS - begun))
matches "and says so" "the new program failed; process $before goes on" "$work/init.log"
equal "it does" "$before" "$(master)"
ln -sf "$(readlink -f "$crossgate")" "$work/sbin/crossgate"
exits running stop 0
exits stopped start 6
rm "$conf"
for action in start configtest restart; do exits stopped $action 6; done
good_config
refute "a second start beside the init script is refused" env LC_ALL=C "$BASH" -c "
  $init start && '$crossgate' -f '$conf' --listen.socks=127.0.0.1:1081 --pid-file='$pidfile' >'$work/second.log' 2>&1"
matches "and says which process runs" "crossgate runs already.*$(master)" "$work/second.log"
become_stopped

"$python" -c 'import socket, time
s = socket.create_server(("127.0.0.1", 1080)); time.sleep(60)' &
other=$!
wait_until 5 listening
exits stopped start 1
matches "a listener that can't be had: start says which" "127.0.0.1:1080" "$work/init.log"
kill $other
wait $other 2>/dev/null

sleep 60 &
other=$!
mkdir -p "${pidfile%/*}"
echo $other >"$pidfile"
init status
equal "a pid file with the number of another program: dead" 1 $?
init stop
equal "which stop takes away" 0 $?
check "and leaves the program alone" kill -0 $other
kill $other

if [ "$E2E_INSIDE" = root ]; then
  become_running
  for action in start stop restart reload upgrade; do
    setpriv --reuid=65534 --regid=65534 --clear-groups "$init" $action >"$work/init.log" 2>&1
    equal "$action by somebody who is not root exits with 4" 4 $?
  done
  setpriv --reuid=65534 --regid=65534 --clear-groups "$init" status >"$work/init.log" 2>&1
  equal "status tells everybody" 0 $?
else
  skip "who is not root" "kernel grants no second user here"
fi
become_stopped
rm "$work/sbin/crossgate"
for action in start restart reload; do exits stopped $action 5; done
exits stopped stop 0
exits stopped status 3
finish
