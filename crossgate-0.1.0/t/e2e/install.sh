#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make install and make uninstall, under a folder: what is laid down, what an edited configuration becomes, and that
# nothing else is left.  t/e2e/fresh-root does the same in a system of its own and uses what it installed.
# shellcheck disable=SC2154 # the folders are declared from a list
. "$(dirname "$0")/lib.sh"
need make
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
own_environment
root=$work/root

run_make() { # TARGET
  make -s -C "$top_builddir" "$1" DESTDIR="$root" >"$work/make.log" 2>&1 || { tail -n 15 "$work/make.log"; return 1; }
}
folder() { # NAME: where configure has put it
  printf 'include Makefile\nprint-folder:\n\t@echo $(%s)\n' "$1" | make -s -C "$top_builddir" -f - print-folder
}
files_left() { (cd "$root" && find . ! -type d | sort); }

check "make install" run_make install || bail "nothing is installed"
for name in sbindir bindir pkglibdir pkglibexecdir mandir sysconfdir docdir runstatedir localstatedir \
  initddir defaultdir systemdsystemunitdir sysusersdir tmpfilesdir logrotatedir pamdir bashcompletiondir; do
  declare "$name=$(folder $name)"
done
wanted=("$sbindir/crossgate" "$bindir"/{socksify,rftp,rtelnet,rfinger,rwhois,rssh}
  "$pkglibdir/libsocksify.so" "$pkglibexecdir/socksify-launch"
  "$mandir"/man8/crossgate.8 "$mandir"/man5/{crossgate,socksify}.conf.5
  "$mandir"/man1/{socksify,rftp,rtelnet,rfinger,rwhois,rssh}.1
  "$sysconfdir/crossgate.conf" "$sysconfdir/socksify.conf" "$initddir/crossgate" "$defaultdir/crossgate"
  "$systemdsystemunitdir"/crossgate.{service,socket} "$sysusersdir/crossgate.conf" "$tmpfilesdir/crossgate.conf"
  "$logrotatedir/crossgate" "$pamdir/crossgate" "$bashcompletiondir"/{crossgate,socksify}
  "$docdir"/examples/{crossgate.conf,socksify.conf,default/crossgate,logrotate.d/crossgate,pam.d/crossgate})
equal "everything is laid down, and nothing else" "$(printf '.%s\n' "${wanted[@]}" | sort)" \
  "$(files_left | grep -v 'libsocksify\.la$')"
for wrapper in rftp rssh; do
  equal "$wrapper is socksify by another name" socksify "$(readlink "$root$bindir/$wrapper")"
done
check "the init script can be run" test -x "$root$initddir/crossgate"

# ---- what is installed names the folders that configure was told --------------------------------
texts=("$root$initddir/crossgate" "$root$defaultdir/crossgate" "$root$logrotatedir/crossgate"
  "$root$tmpfilesdir/crossgate.conf" "$root$systemdsystemunitdir/crossgate.service" "$root$bashcompletiondir/crossgate")
refute "nothing is left to put in" grep -n '@[A-Za-z_]*@' "${texts[@]}"
refute "and the folder it is installed under is in none" grep -rnF "$root" "$root"
check "the init script starts this program" grep -qx "DAEMON=$sbindir/crossgate" "$root$initddir/crossgate"
check "with this configuration" grep -qx "CONFIG=$sysconfdir/crossgate.conf" "$root$initddir/crossgate"
for text in "$initddir/crossgate" "$systemdsystemunitdir/crossgate.service" "$logrotatedir/crossgate"; do
  check "$(basename "$(dirname "$text")"): the pid file is where the others look for it" \
    grep -q "$runstatedir/crossgate/crossgate.pid" "$root$text"
done
check "the folders of pid file and logs are there" test -d "$root$runstatedir/crossgate" -a -d "$root$localstatedir/log/crossgate"
check "the installed sample is a configuration" "$root$sbindir/crossgate" --check -f "$root$sysconfdir/crossgate.conf"
for script in "$root$bashcompletiondir"/* "$root$initddir/crossgate"; do
  check "$(basename "$(dirname "$script")")/$(basename "$script"): a shell can read it" "$BASH" -n "$script"
done
completes() { # COMMAND WORD WANTED
  local script=$root$bashcompletiondir/$1
  "$BASH" -c 'compopt() { :; }; . "$0"; COMP_WORDS=("$1" "$2") COMP_CWORD=1; "_$1"; printf "%s\n" "${COMPREPLY[@]}"' \
    "$script" "$1" "$2" | grep -qx -- "$3"
}
check "bash completes a key of crossgate" completes crossgate --workers.ma --workers.max=
check "and an option" completes crossgate --fore --foreground
check "and one of socksify" completes socksify --do --doctor
if have "systemd-analyze verify" systemd-analyze; then
  unit=$work/units/crossgate.service
  mkdir "$work/units"
  # It looks for the programs where the unit says.
  sed "s|=$sbindir/|=$root$sbindir/|" "$root$systemdsystemunitdir/crossgate.service" >"$unit"
  cp "$root$systemdsystemunitdir/crossgate.socket" "$work/units"
  equal "systemd-analyze verify has nothing to say" "" \
    "$(systemd-analyze verify --man=no "$unit" "$work/units/crossgate.socket" 2>&1)"
fi

# ---- an edited configuration stays ---------------------------------------------------------------
echo "# of an older version" | tee "$root$sysconfdir/socksify.conf" >"$root$docdir/examples/socksify.conf"
echo "# edited" >>"$root$sysconfdir/crossgate.conf"
check "make install again" run_make install
check "says that the edited configuration stays" grep -q "crossgate.conf was edited and stays" "$work/make.log"
equal "so it does" "# edited" "$(tail -n 1 "$root$sysconfdir/crossgate.conf")"
check "one that nobody has edited is the new one" cmp "$root$sysconfdir/socksify.conf" "$top_builddir/etc/socksify.conf"

check "make uninstall" run_make uninstall
equal "leaves the edited configuration alone" ".$sysconfdir/crossgate.conf" "$(files_left)"
equal "and no folder of its own" "" "$(find "$root" -type d \( -name crossgate -o -name examples \))"
finish
