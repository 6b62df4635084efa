#!/usr/bin/env bash
# Boot with linger: ready in time, reload, crash, restart, stop, Home Manager's steps. Titles are listed in systemd.test.ts.
. /guest/common.sh
home=/home/jane

until_true control jane is-active -q default.target
check "the service is active" control jane is-active hmpersist.service
check "directories are mounted and the file is linked" same "$(as jane cat $home/Documents/letter $home/.screenrc)" $'a letter\na setting'
check "it was ready before basic.target" test "$(property jane ActiveEnterTimestampMonotonic)" -le "$(property jane ActiveEnterTimestampMonotonic basic.target)"
check "a program of the session found its files" same "$(cat /run/user/4242/probe)" $'a letter\na setting'
check "systemd found no ordering cycle" test -z "$(journalctl -b --no-pager -g 'ordering cycle' -q)"
check "STATUS tells what is in place" contains "$(property jane StatusText)" "2 mounted, 1 linked"
check "the soft limit of open files is raised" test "$(awk '/open files/{print $4}' "/proc/$(property jane MainPID)/limits")" -gt 4096

# A file held open on a mount that no change touches: what is written to the pipe goes into it, line by line.
mkfifo /run/writer
as jane bash -c "exec 9>>$home/Documents/open; while read -r line; do echo \"\$line\" >&9 || exit 1; done" </run/writer &
exec 8>/run/writer
write() {
  echo "$1" >&8
  until_true grep -qx "$1" /persist/home/jane/Documents/open
}
check "a file opened before is written" write one
documents=$(mount_id $home/Documents)
pid=$(property jane MainPID)

sed -i 's/"Music"/"Pictures"/' /persist/hmpersist/jane.json
check "reload takes a new configuration" control jane reload hmpersist.service
check "reload mounts what is new" mounted $home/Pictures
check "reload unmounts what is gone" unmounted $home/Music
check "reload leaves the other mount alone" same "$(mount_id $home/Documents)" "$documents"
check "reload keeps the daemon" same "$(property jane MainPID)" "$pid"
check "a file open over a reload is written" write two

cp /persist/hmpersist/jane.json /persist/hmpersist/jane.json.good
echo '{ "persistence": { "relative": {} } }' >/persist/hmpersist/jane.json
check "reload of a bad configuration says so" bash -c "! $(declare -f as control); ! control jane reload hmpersist.service"
check "a bad configuration changes no mount" same "$(mount_id $home/Documents)" "$documents"
check "the service goes on" control jane is-active hmpersist.service
mv /persist/hmpersist/jane.json.good /persist/hmpersist/jane.json
check "and takes the next good one" control jane reload hmpersist.service

kill -9 "$pid"
check "a killed daemon is started again" until_true bash -c "$(declare -f as control property); [ \"\$(property jane NRestarts)\" = 1 ] && control jane is-active -q hmpersist.service"
check "its mounts are the same" same "$(mount_id $home/Documents)" "$documents"
check "they answer" same "$(as jane cat $home/Documents/letter)" "a letter"
check "a file open over the crash is written" write three

# A file that was deleted while it is open; every line from the pipe is added to it, and all it has is told.
mkfifo /run/nameless
as jane python3 -c '
import os, sys
f = open(sys.argv[1] + "/Documents/nameless", "w+")
os.unlink(f.name)
for line in open("/run/nameless"):
    f.write(line)
    f.seek(0)
    told = f.read()
    open("/run/user/4242/told", "w").write(told)' $home &
exec 7>/run/nameless
echo before >&7
check "a file without a name is written" until_true grep -qx before /run/user/4242/told

check "restart" control jane restart hmpersist.service
check "a restart keeps the mounts" same "$(mount_id $home/Documents)" "$documents"
check "a file open over a restart is written" write four
echo after >&7
check "a file without a name outlives a restart" until_true bash -c '[ "$(cat /run/user/4242/told)" = $'"'before\\nafter'"' ]'
exec 7>&- 8>&-

check "stop" control jane stop hmpersist.service
check "stop unmounts everything" test -z "$(findmnt -rn -t fuse.hmpersist)"
check "a stopped service left the mountpoints empty" test -z "$(ls -A $home/Documents $home/Pictures | grep -v :)"

# Home Manager's activation, its steps as nix/lib.nix writes them.
activate() { # [VARIABLE=VALUE...] -- between the steps Home Manager writes, links UNIT and starts a service, which writes, too
  as jane env "$@" bash -eu -c '
    DRY_RUN_CMD=
    if [[ -v DRY_RUN ]]; then DRY_RUN_CMD=echo; fi
    trap "echo the trap of Home Manager" EXIT
    . /out/steps/mount.sh
    [[ -v DRY_RUN ]] || echo "seen: $(cat ~/Documents/letter)"
    [[ -v DRY_RUN ]] || echo managed >~/Documents/managed
    [[ ! -v UNIT ]] || { mkdir -p ~/.config/systemd/user; ln -s "$UNIT" ~/.config/systemd/user/; }
    . /out/steps/handOver.sh
    [[ -v DRY_RUN ]] || { findmnt -rn -t fuse.hmpersist -o TARGET || true; } >~/handed-over
    [[ -v DRY_RUN ]] || echo "by a service" >~/Documents/by-a-service
    . /out/steps/start.sh'
}
if [ -d /out/steps ]; then
  out=$(activate DRY_RUN=1)
  check "a dry run says what would happen" contains "$out" "would"
  check "a dry run changes nothing" test -z "$(findmnt -rn -t fuse.hmpersist)$(ls /persist/home/jane/Documents/managed 2>/dev/null)"
  out=$(activate XDG_RUNTIME_DIR=/run/user/4242 2>&1)
  check "an activation without a daemon mounts for its writes" same "$(cat /persist/home/jane/Documents/managed)" managed
  check "it does not complain that none runs" bash -c '! grep -q "no hmpersist daemon" <<<"$0"' "$out"
  check "what lies in storage is seen before the files are checked" contains "$out" "seen: a letter"
  check "it hands over to the service" control jane is-active hmpersist.service
  check "before Home Manager starts others" same "$(cat /persist/home/jane/Documents/by-a-service)" "by a service"
  check "it keeps Home Manager's trap" contains "$out" "the trap of Home Manager"
  documents=$(mount_id $home/Documents)
  pid=$(property jane MainPID)
  rm -f /persist/home/jane/Documents/managed
  sed -i 's/"Pictures"/"Music"/' /persist/hmpersist/jane.json
  check "an activation with a daemon" activate A=1
  check "it writes into storage" same "$(cat /persist/home/jane/Documents/managed)" managed
  check "it applies the difference" mounted $home/Music
  check "it keeps daemon and mounts" same "$(property jane MainPID) $(mount_id $home/Documents)" "$pid $documents"
  check "a second activation" activate A=1
  check "it changes nothing" same "$(property jane MainPID) $(mount_id $home/Documents)" "$pid $documents"
  as jane mkdir -p $home/Pictures/of-her-own
  sed -i 's/"Music"/"Music", "Pictures"/' /persist/hmpersist/jane.json
  out=$(activate A=1 2>&1 || echo aborted)
  check "a refused entry is printed" contains "$out" "not empty"
  check "it does not abort the activation" bash -c '! grep -q aborted <<<"$0"' "$out"
  check "status has it" contains "$(hmpersist jane status --json)" "not empty"
  check "the others stay in place" mounted $home/Music
  sed -i 's/"Music", "Pictures"/"Music"/' /persist/hmpersist/jane.json
  control jane stop hmpersist.service
  # The first switch: the manager does not know the unit, and is not told to reload. The unit names another configuration, as that of
  # the last generation would.
  sed 's/, "Music"//' /persist/hmpersist/jane.json >/persist/hmpersist/last.json
  rm /etc/systemd/user/paths.target.wants/hmpersist.service
  mv /etc/systemd/user/hmpersist.service /run/away.service
  sed s,/%u.json,/last.json, /run/away.service >/run/hmpersist.service
  control jane daemon-reload
  rm -f /persist/home/jane/Documents/by-a-service
  activate XDG_RUNTIME_DIR=/run/user/4242 UNIT=/run/hmpersist.service >/dev/null 2>&1
  check "the first switch starts a unit that is new" same "$(property jane FragmentPath)" $home/.config/systemd/user/hmpersist.service
  check "before others, too" same "$(cat /persist/home/jane/Documents/by-a-service)" "by a service"
  check "and has it follow the new configuration at once" contains "$(cat $home/handed-over)" Music
  control jane stop hmpersist.service
  rm -r $home/.config
  mv /run/away.service /etc/systemd/user/hmpersist.service
  ln -s ../hmpersist.service /etc/systemd/user/paths.target.wants/
  control jane daemon-reload
  rm -f /persist/home/jane/Documents/managed
  # As on NixOS at boot: no user manager to hand over to.
  install -d -o jane -g jane -m 700 /run/nobody
  out=$(activate XDG_RUNTIME_DIR=/run/nobody 2>&1)
  check "an activation before any login mounts for its writes" same "$(cat /persist/home/jane/Documents/managed)" managed
  check "an activation before any login leaves nothing mounted" test -z "$(findmnt -rn -t fuse.hmpersist)"
  check "and nothing in its way" test -z "$(ls -A $home/Documents)"
fi

check "start" control jane start hmpersist.service
check "start returns once all is mounted" same "$(as jane cat $home/Documents/letter)" "a letter"
as jane bash -c "echo kept >$home/Documents/kept; mkdir -p $home/Music; echo lost >$home/lost"
check "the user's manager stops" timeout 40 systemctl stop user@4242.service
check "and leaves no mount" test -z "$(findmnt -rn -t fuse.hmpersist)"
