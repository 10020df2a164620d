#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The manual pages and the sample configurations: they render without a warning, and they tell every option that the
# programs have.
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
own_environment
pages=(gateway/crossgate.8 gateway/crossgate.conf.5 socksify/socksify.1 socksify/socksify.conf.5)
cd "$top_builddir" || bail "no $top_builddir"
for page in "${pages[@]}"; do [ -f "$page" ] || bail "$page is not made"; done

# ---- they render ---------------------------------------------------------------------------------
says_nothing() {
  local said
  said=$("$@" 2>&1 >"$work/rendered")
  [ $? = 0 ] && [ -z "$said" ] && [ -s "$work/rendered" ] || { echo "$said"; return 1; }
}
for page in "${pages[@]}"; do
  if have "$page: man" man; then
    check "$page: man has no warning" says_nothing env MANWIDTH=80 man --warnings -l -E UTF-8 -Tutf8 "./$page"
  fi
  if have "$page: mandoc" mandoc; then
    equal "$page: mandoc -Tlint has nothing to say" "" "$(mandoc -Tlint "./$page" 2>&1)"
  fi
  refute "$page: nothing is left to put in" grep -En '@(OPTIONS|VERSION|[a-z]+dir)@' "./$page"
done

# ---- they tell every option ----------------------------------------------------------------------
# The headings of a page's options, as "SECTION.KEY" or "KEY".
keys_of() { # PAGE
  sed -n -e 's/\\-/-/g' -e 's/^\.SS \[\(.*\)\]$/[\1]/p' -e 's/^\\fB\([a-z0-9-]*\)\\fR = .*/\1/p' "$1" |
    awk '/^\[/ { section = substr($0, 2, length($0) - 2) "."; next } { print section $0 }' | sort
}
dumped_keys() {
  "$crossgate" --dump-config | sed -n -e '/^\[/p' -e 's/^\(# \)\{0,1\}\([a-z0-9-]*\) =.*/\2/p' |
    awk '/^\[/ { section = substr($0, 2, length($0) - 2) "."; next } { print section $0 }' | sort -u
}
within "--dump-config has keys" 40 1000 "$(dumped_keys | wc -l)"
equal "crossgate.conf(5) tells each of them, once, and no other" "$(dumped_keys)" "$(keys_of gateway/crossgate.conf.5)"
equal "socksify.conf(5) tells each key of socksify --options, once, and no other" \
  "$("$socksify" --options | sed -n 's/^\([a-z0-9-]*\) = .*/\1/p' | sort)" "$(keys_of socksify/socksify.conf.5)"
tells_options() { # PAGE COMMAND...: every option that the command's --help begins a line with
  local page=$1 option missing=0
  shift
  sed 's/\\-/-/g' "$page" >"$work/page"
  for option in $("$@" --help | sed -n '/^Configuration/q; s/^  \{1,2\}\(-[-a-z]*\).*/\1/p'); do
    grep -Eq -- "[^-a-z]$option\b" "$work/page" || { echo "$option is not in $page"; missing=1; }
  done
  [ $missing = 0 ]
}
check "crossgate(8) tells the options of the command line" tells_options gateway/crossgate.8 "$crossgate"
check "socksify(1) tells the options of socksify --help" tells_options socksify/socksify.1 "$socksify"

# ---- the samples ---------------------------------------------------------------------------------
check "the sample crossgate.conf is a configuration" "$crossgate" --check -f etc/crossgate.conf
equal "whose comments are the defaults" "$("$crossgate" --dump-config)" \
  "$(sed -e '/^[a-z]/d' -e 's/^#\([a-z]\)/\1/' etc/crossgate.conf >"$work/defaults.conf"
    "$crossgate" --dump-config -f "$work/defaults.conf")"
for key in $("$socksify" --options | sed -n 's/^\([a-z0-9-]*\) = .*/\1/p'); do
  grep -Eq "^#( ?)$key = " etc/socksify.conf || not_ok "$key is not in the sample socksify.conf"
done
sed 's/^#\([a-z]\)/\1/' etc/socksify.conf >"$work/socksify.conf"
check "the sample socksify.conf and its defaults are a configuration" \
  env SOCKSIFY_CONF="$work/socksify.conf" "$socksify" -g 127.0.0.1:1 true
finish
