#!/usr/bin/env bash
# boot.sh WORK PROGRAM NODE SCRIPT: boots a real systemd as PID 1 over this machine's own / and runs guest/SCRIPT in it as a service.
# The machine is the read-only lower layer of an overlay; processes, mounts, network, /dev, /run and cgroups are the guest's own, and
# everything ends with it. WORK/persist outlives a boot: it is the guest's disk. WORK/log gets the script's lines, WORK/console
# systemd's. Exit code: the script's; 125 where the kernel or a container forbids what this needs.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")

forbidden() { echo "cannot boot a systemd here: $1" >&2; exit 125; }

# --- 1. outside: a cgroup of our own, then new namespaces
if [ "${BOOT_STAGE:-outside}" = outside ]; then
  work=$1
  mkdir -p "$work/persist"
  unshare --mount --cgroup --pid --ipc --uts --net --fork true 2>/dev/null || forbidden "no namespaces"
  [ -x /lib/systemd/systemd ] || forbidden "no systemd is installed"
  cgroup2=$(findmnt -rn -t cgroup2 -o TARGET | head -1)
  if [ -z "$cgroup2" ]; then
    cgroup2=$work/cgroup2
    mkdir -p "$cgroup2"
    mount -t cgroup2 cgroup2 "$cgroup2" 2>/dev/null || forbidden "no cgroup2"
    trap 'umount "$cgroup2"' EXIT
  fi
  mine=$cgroup2$(sed -n 's/^0:://p' /proc/self/cgroup)
  group=${mine%/}/hmpersist-boot.$$
  mkdir -p "$group/guest" 2>/dev/null || forbidden "cgroups are read-only"
  clean() {
    echo 1 >"$group/cgroup.kill" 2>/dev/null || true
    for _ in $(seq 100); do
      find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
      sleep 0.05
    done
    [ "$cgroup2" != "$work/cgroup2" ] || umount "$cgroup2" 2>/dev/null || true
  }
  trap clean EXIT
  trap 'exit 143' TERM INT HUP
  code=0
  (
    echo $BASHPID >"$group/guest/cgroup.procs" || forbidden "no process may enter a new cgroup"
    export BOOT_STAGE=inside
    exec unshare --mount --cgroup --pid --ipc --uts --net --fork --kill-child=KILL --propagation private "$0" "$@"
  ) </dev/null &
  wait $! || code=$?
  [ ! -e "$work/code" ] || code=$(cat "$work/code")
  exit "$code"
fi

# --- 2. inside: PID 1 of the new namespaces builds the guest's root and becomes its systemd
work=$1 program=$2 node=$3 script=$4
root=$work/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/merged"
mount -t overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" overlay "$root/merged" || forbidden "no overlay over /"
root=$root/merged

# Nothing of the machine starts by itself.
rm -rf "$root"/etc/systemd/{system,user}/*.wants "$root"/etc/tmpfiles.d/* "$root"/etc/rc?.d "$root/lib/systemd/system/multi-user.target.wants/getty.target"
for unit in getty.target systemd-update-utmp systemd-update-utmp-runlevel systemd-firstboot apt-daily.timer apt-daily-upgrade.timer; do
  case $unit in *.*) ;; *) unit=$unit.service ;; esac
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
: >"$root/etc/machine-id"
echo guest >"$root/etc/hostname"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys" || forbidden "no sysfs"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup" || forbidden "no cgroup2 of our own"
mount -t fusectl fusectl "$root/sys/fs/fuse/connections" 2>/dev/null || true
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for node_of in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do
  IFS=: read -r name major minor <<<"$node_of"
  mknod -m 666 "$root/dev/$name" c "$major" "$minor" || forbidden "no device nodes"
done
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mkdir -p "$root"/{guest,persist,opt/hmpersist,opt/node}
touch "$root/opt/node/node"
cp "$here"/guest/* "$root/guest/"
chmod -R a+rX "$root/guest"
if [ "$(find "$program" "$program/package.json" -maxdepth 0 -perm -o=r | wc -l)" = 2 ]; then
  mount --bind "$program" "$root/opt/hmpersist"
else # a private checkout: the guest's users get a copy
  cp -r "$program"/{bin,dist,node_modules,package.json} "$root/opt/hmpersist/"
  chmod -R a+rX "$root/opt/hmpersist"
fi
mount --bind "$node" "$root/opt/node/node"
mount --bind "$work/persist" "$root/persist"
mkdir -p "$root/out"
mount --bind "$work" "$root/out"

chroot "$root" /bin/bash /guest/provision.sh "$script" >"$work/provision" 2>&1 || { cat "$work/provision" >&2; exit 1; }

cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --log-target=console --log-level=notice --show-status=no --unit=multi-user.target </dev/null >/out/console 2>&1
