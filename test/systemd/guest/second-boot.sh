#!/usr/bin/env bash
# The next boot, on an empty home, with a login: what was persisted is back. Titles are listed in systemd.test.ts.
. /guest/common.sh

login() { timeout 60 su -l "$1" -c "$2"; }

check "the home is empty before the login" test -z "$(ls -A /home/jane)"
check "a login finds what was written before the reboot" same "$(login jane 'cat ~/Documents/kept ~/.screenrc')" $'kept\na setting'
check "what was not persisted is gone" test ! -e /home/jane/lost

started=$SECONDS
check "a refused configuration lets the user in" same "$(login bob 'echo in')" in
check "at once" test $((SECONDS - started)) -lt 25
# A login that ended lets the manager go after ten seconds; this keeps it.
loginctl enable-linger bob
until_true control bob is-active -q default.target
check "the service stays up" control bob is-active hmpersist.service
check "STATUS says what is wrong" contains "$(property bob StatusText)" "configuration"
check "the journal says what is wrong" contains "$(journalctl -b --no-pager -o cat _UID=4243)" 'leads out of the storage'
report=$(hmpersist bob status --json)
check "status says what is wrong" contains "$report" 'leads out of the storage'
check "status says degraded" contains "$report" '"state":"degraded"'
sed -i 's,"../jane","Documents",' /persist/hmpersist/bob.json
check "the corrected configuration is taken" control bob reload hmpersist.service
check "and mounted" mounted /home/bob/Documents

out=$(hmpersist bob service install --config /persist/hmpersist/bob.json)
check "service install says what a reboot would forget" contains "$out" "/home/bob/.config/systemd/user/hmpersist.service is on a tmpfs"
check "its unit is taken by systemd" same "$(property bob FragmentPath)" /home/bob/.config/systemd/user/hmpersist.service
check "the service was left running" mounted /home/bob/Documents
check "service status sees both units" same "$(hmpersist bob service status | tr '\n' ' ')" "/home/bob/.config/systemd/user/hmpersist.service: installed /etc/systemd/user/hmpersist.service: installed state: active "
check "service uninstall" hmpersist bob service uninstall
check "it stops the service" unmounted /home/bob/Documents
check "the unit is gone" contains "$(property bob FragmentPath)" /etc/
