#!/usr/bin/env bash
# In the guest's root before systemd: two users with a home on tmpfs each, a disk, and hmpersist as `service install --system` sets it up.
set -euo pipefail
script=$1
PATH=/usr/sbin:/usr/bin:/sbin:/bin
hmpersist="/opt/node/node /opt/hmpersist/bin/hmpersist.js"

for user in jane:4242 bob:4243; do
  name=${user%:*} uid=${user#*:}
  useradd --no-create-home --uid "$uid" --user-group --shell /bin/bash "$name"
  mkdir -p "/home/$name" "/persist/home/$name/Documents" "/persist/home/$name/Music" "/persist/home/$name/Pictures"
  chown -R "$uid:$uid" "/persist/home/$name"
  echo "tmpfs /home/$name tmpfs nosuid,nodev,mode=0700,uid=$uid,gid=$uid,size=64m 0 0"
done >/etc/fstab
chmod 755 /persist /persist/home

mkdir -p /persist/hmpersist
$hmpersist service install --system --config /persist/hmpersist/%u.json
# What is ordered as every other program of the session is: it must find the files.
cat >/etc/systemd/user/probe.service <<'U'
[Unit]
Description=a program of the session
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cat %h/Documents/letter %h/.screenrc >%t/probe 2>&1; :'
[Install]
WantedBy=default.target
U
mkdir -p /etc/systemd/user/default.target.wants
ln -s ../probe.service /etc/systemd/user/default.target.wants/

cat >/etc/systemd/system/checks.service <<U
[Unit]
Description=the checks of this boot
After=systemd-user-sessions.service dbus.service home-jane.mount home-bob.mount
[Service]
Type=exec
ExecStart=/bin/bash /guest/$script
[Install]
WantedBy=multi-user.target
U
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s ../checks.service /etc/systemd/system/multi-user.target.wants/
mkdir -p /etc/systemd/{journald,system,user}.conf.d
printf '[Journal]\nStorage=volatile\n' >/etc/systemd/journald.conf.d/guest.conf
printf '[Manager]\nDefaultTimeoutStopSec=15s\n' | tee /etc/systemd/system.conf.d/guest.conf >/etc/systemd/user.conf.d/guest.conf
[ ! -x "/guest/$script.prepare" ] || bash "/guest/$script.prepare"
