# Boots a container whose files are this machine's, with changes in memory, and which runs FILES/inside.sh: boot.sh FILES. It
# must have a mount namespace of its own. Its exit status is 77 if that is not possible here.
set -e
files=$1 dir=$1/container
mkdir -p "$dir"
mount -t tmpfs tmpfs "$dir" || exit 77
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" || exit 77
root=$dir/root
rm -rf "$root"/etc/systemd/system/* "$root"/etc/fstab "$root"/etc/fanfare "$root"/usr/bin/fanfare
: >"$root/etc/machine-id"
mkdir -p "$root/test" "$root/etc/systemd/system/multi-user.target.wants"
cp "$files"/inside.sh "$files"/fanfare-load "$files"/fanfare.deb "$root/test/"
cat >"$root/etc/systemd/system/inside.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
StandardOutput=file:/test/result
StandardError=file:/test/errors
ExecStart=/bin/bash /test/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
UNIT
ln -s ../inside.service "$root/etc/systemd/system/multi-user.target.wants/"
timeout -k 10 300 systemd-nspawn --quiet --directory="$root" --private-network --register=no --keep-unit --boot --console=pipe \
  </dev/null >"$files/console" 2>&1 || true
cp "$root/test/result" "$root/test/errors" "$files/" 2>/dev/null || { cat "$files/console"; exit 77; }
