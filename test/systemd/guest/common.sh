# Sourced by the checks: one line each of "ok TITLE" or "not ok TITLE: OUTPUT" in /out/log, and the end of the guest.
# shellcheck shell=bash
exec >>/out/log 2>&1
export LC_ALL=C.UTF-8
failed=0

check() { # TITLE COMMAND...
  local title=$1 output
  shift
  if output=$("$@" 2>&1); then echo "ok $title"; else
    failed=$((failed + 1))
    echo "not ok $title: $(tr '\n' ' ' <<<"$output")"
  fi
}

# Runs a command as a user, as a login would have it: its manager and its home.
as() { # USER COMMAND...
  local uid
  uid=$(id -u "$1")
  timeout 60 runuser -u "$1" -- env -C / HOME="/home/$1" XDG_RUNTIME_DIR="/run/user/$uid" PATH=/usr/bin:/bin "${@:2}"
}
hmpersist() { as "$1" /opt/node/node /opt/hmpersist/bin/hmpersist.js "${@:2}"; }
control() { as "$1" systemctl --user "${@:2}"; }
property() { control "$1" show "${3:-hmpersist.service}" -p "$2" --value; }
mount_id() { findmnt -rn -t fuse.hmpersist -o ID "$1" || { echo "not mounted: $1"; return 1; }; }
mounted() { mount_id "$1" >/dev/null; }
unmounted() { ! mounted "$1" >/dev/null || { findmnt "$1"; return 1; }; }
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
contains() { case $1 in *"$2"*) ;; *) echo "no '$2' in: $1"; return 1 ;; esac; }

until_true() { # COMMAND...: up to 20 s
  local end=$((SECONDS + 20))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { "$@"; return 1; }
    sleep 0.05
  done
}

finish() {
  journalctl -b --no-pager -o short-monotonic >/out/journal 2>&1
  echo "$failed" >/out/failed
  echo $((failed > 0)) >/out/code
  echo end
  systemctl --no-block exit 0
}
trap finish EXIT
