#!/bin/sh
# First process inside user-mode Linux. Its root is the host's file system, read-only. It lays memory over it, so that
# the command may write wherever it likes and the host sees nothing of it, runs the command, and tells its exit code.
# The kernel hands over `uml_job`, the folder with the command, as environment variable.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Lines to the host: 1 and 2 are the command's output, 3 tells how far we are. Raw, or newlines would become CR LF.
exec 3>/dev/ttyS1 4>/dev/ttyS2 5>/dev/ttyS3
for line in 3 4 5; do eval "stty raw -echo <&$line"; done
echo init >&5
# If we ended, the kernel would panic, and bury the reason under its own words.
trap 'echo failed >&5; sleep 1000000' EXIT

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
release=$(uname -r)
mkdir -p /run/modules/lib/modules /run/upper /run/work /run/root
ln -s "/usr/lib/uml/modules/$release" "/run/modules/lib/modules/$release"
modprobe -d /run/modules overlay

root=/run/root
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay "$root"
mkdir -p "$root/lib/modules" "$root/proc" "$root/sys" "$root/dev" "$root/run"
# From here on modprobe works as it is, also when the kernel calls it.
ln -sfn "/usr/lib/uml/modules/$release" "$root/lib/modules/$release"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind /dev "$root/dev"
mkdir -p "$root/dev/pts" "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/run"

# The only places where writes reach the host.
while IFS= read -r folder; do
  mount -t hostfs -o "$folder" none "$root$folder"
done <"$uml_job/shared"

# Not just chroot: who enters a mount namespace gets that namespace's root, and would see the host's.
cd "$root"
mkdir -p run/host
pivot_root . run/host
cd /
umount -l /run/host
rmdir /run/host

# Not left to load by itself: its sysctls are there only afterwards.
modprobe ipv6
ip link set lo up
echo uml >/proc/sys/kernel/hostname
# A process may have only 1024 files otherwise.
ulimit -n 65536

# Through pipes, because programs do other things on a terminal.
mkfifo /run/out /run/err
cat </run/out >&3 &
out=$!
cat </run/err >&4 &
err=$!
echo run >&5
code=0
(
  exec </dev/null >/run/out 2>/run/err 3>&- 4>&- 5>&-
  rm /run/out /run/err
  exec sh "$uml_job/command"
) || code=$?
# Whatever the command left running may hold them open for ever.
(sleep 2 && kill "$out" "$err") >&- 2>&- &
wait "$out" "$err" || true
sync
# Setting a terminal up anew waits until the host has all of the output.
stty raw -echo <&3
stty raw -echo <&4
echo "exit $code" >&5
# The host ends us now.
exec sleep 1000000
