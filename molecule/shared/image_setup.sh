#!/bin/sh
# Turns a fresh Debian tree into a node image; mmdebstrap (or image.py) calls it with the tree as its argument.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
root=$1

# Nothing is on except what makes a node reachable; roles enable what they own.
find "$root/etc/systemd/system" -mindepth 1 -maxdepth 1 -name '*.wants' -exec rm -rf {} +
find "$root/etc/systemd/system" -mindepth 1 -maxdepth 1 -type l -delete
# Packages with an init script besides their unit are off by a K link; without any link systemctl could not enable them.
for link in "$root"/etc/rc[2345].d/S*; do
    [ -e "$link" ] || [ -L "$link" ] || continue
    name=${link##*/S??}
    mv "$link" "${link%/*}/K01$name"
done

# A node's identity is its own: made at first boot, never part of the image.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
cat >"$root/etc/systemd/system/ssh-host-keys.service" <<'UNIT'
[Unit]
Description=Create the SSH host keys of this node
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
UNIT
# One key type is enough inside the lab, and makes known_hosts one line a node.
cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxSessions 50
CONF
wants=$root/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants"
ln -s /etc/systemd/system/ssh-host-keys.service "$wants/ssh-host-keys.service"
ln -s /lib/systemd/system/ssh.service "$wants/ssh.service"

# Units that need a machine of their own, and only fail or wait in a container.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service systemd-networkd.service \
            systemd-timesyncd.service systemd-resolved.service console-getty.service \
            getty.target sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
            sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
            apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# Logs outlive an injected reboot, and stay small.
mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\n' >"$root/etc/systemd/journald.conf.d/lab.conf"

rm -f "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
