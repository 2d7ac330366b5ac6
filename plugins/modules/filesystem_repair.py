#!/usr/bin/python
# Module: makes a filesystem writable again, or checks one that is not mounted.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: filesystem_repair
version_added: 0.1.0
short_description: Remount a filesystem writable, or check one that is not mounted
description:
  - V(remounted) makes a mounted filesystem writable again, if F(/etc/fstab) says that it should be, and proves it by
    writing, synchronising and removing a small file.
  - V(checked) checks a filesystem that is not mounted. An ext filesystem is corrected where that loses nothing
    (C(e2fsck -p)); xfs and btrfs are only looked at (C(xfs_repair -n), C(btrfs check --readonly)).
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) an ext filesystem is looked at without correcting it (C(e2fsck -n)), and no file is written.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - e2fsprogs, xfsprogs or btrfs-progs on the node, for O(state=checked)
options:
  state:
    description: What is wanted.
    type: str
    required: true
    choices: [remounted, checked]
  path:
    description: Mount point, for O(state=remounted).
    type: path
  device:
    description: Block device, for O(state=checked).
    type: path
  confirmed:
    description:
      - Whether a person agreed to O(state=checked). Without it the module refuses.
    type: bool
    default: false
  kind:
    description: Kind of the filesystem. By default C(blkid) is asked.
    type: str
    choices: [ext2, ext3, ext4, xfs, btrfs]
  timeout:
    description: Seconds after which a command that does not end is given up. Large filesystems take hours to check.
    type: int
    default: 1800
  fstab:
    description: File that says which filesystems should be mounted, and how.
    type: path
    default: /etc/fstab
"""

EXAMPLES = r"""
- name: Make the scratch filesystem writable again
  aidc.ops.filesystem_repair:
    state: remounted
    path: /scratch
    timeout: 60
  become: true

- name: Check it, after a person has agreed and it was unmounted
  aidc.ops.filesystem_repair:
    state: checked
    device: /dev/md0
    confirmed: true
  become: true
"""

RETURN = r"""
writable:
  description: Whether the filesystem is writable; in check mode, whether it is mounted so. Null with O(state=checked).
  returned: always
  type: bool
clean:
  description:
    - Whether no error is left; null if the check came to no answer. Null with O(state=remounted).
  returned: always
  type: bool
corrected:
  description: Whether errors were corrected.
  returned: always
  type: bool
kind:
  description: Kind of the filesystem.
  returned: when it is known
  type: str
status:
  description: Exit status of the program that checked. That of e2fsck is 1 after it corrected something.
  returned: when one ran
  type: int
output:
  description: The end of what it wrote.
  returned: when one ran
  type: str
"""

import errno
import os
import stat
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import (
    ChildFailed,
    ChildTimeout,
    Progress,
    call_bounded,
)
from ansible_collections.aidc.ops.plugins.module_utils._hardware.filesystems import Mount, parse_mountinfo
from ansible_collections.aidc.ops.plugins.module_utils._repair.fs_check import (
    KINDS,
    check_of,
    fstab_options,
    verdict,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair.group_runner import run_group
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

_SHOWN_CHARACTERS = 4000
_PROBE_SECONDS = 30


class Refused(Exception):
    """Nothing was done; the message says why."""


def mounts() -> list[Mount]:
    with open("/proc/self/mountinfo", "rb") as handle:
        return parse_mountinfo(handle.read())


def mount_at(point: str) -> Mount | None:
    """Return what is mounted at a point; the last one covers those before it."""
    # The kernel knows the way without links. The point itself is not asked, since what is mounted there may hang.
    real = os.path.join(os.path.realpath(os.path.dirname(point)), os.path.basename(point))
    found = [mount for mount in mounts() if mount.point in (point, real)]
    return found[-1] if found else None


def probe(point: str) -> str | None:
    """Write, synchronise and remove a file in a directory; return what went wrong, None if nothing did."""

    def write(progress: Progress) -> str | None:
        name = os.path.join(point, f".aidc_ops_probe.{os.getpid()}.{os.urandom(6).hex()}")
        progress("writing a file")
        try:
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, b"aidc.ops writes here to see whether it can.\n")
                os.fsync(handle)
            finally:
                os.close(handle)
                os.unlink(name)
        except OSError as exc:
            return exc.strerror or str(exc)
        return None

    try:
        return t.cast("str | None", call_bounded(write, _PROBE_SECONDS))
    except (ChildTimeout, ChildFailed) as exc:
        return str(exc)


def remount(module: AnsibleModule) -> dict[str, t.Any]:
    """Make the mount point writable; return the answer, Refused or CommandError if that cannot be."""
    point = os.path.normpath(module.params["path"])
    try:
        with open(module.params["fstab"], encoding="utf-8", errors="surrogateescape") as handle:
            options = fstab_options(handle.read(), point)
    except OSError as exc:
        raise Refused(f"{module.params['fstab']} cannot be read: {exc.strerror}") from exc
    if options is None:
        raise Refused(f"{point} is not in {module.params['fstab']}, so nobody says that it should be writable")
    if "ro" in options:
        raise Refused(f"{point} is read-only on purpose, says {module.params['fstab']}")
    mount = mount_at(point)
    if mount is None:
        raise Refused(f"nothing is mounted at {point}")
    read_only = mount.options[0] == "ro"
    if module.check_mode:
        return {"changed": read_only, "writable": not read_only, "kind": mount.kind}
    if read_only:
        argv = [module.get_bin_path("mount", required=True), "-o", "remount,rw", "--", point]
        done = run(argv, module.params["timeout"])
        if done.rc != 0:
            said = (done.stderr or done.stdout).strip() or f"exit status {done.rc}"
            raise Refused(f"{point} cannot be made writable: {said[:_SHOWN_CHARACTERS]}")
        mount = mount_at(point)
        if mount is None or mount.options[0] == "ro":
            raise Refused(f"{point} is read-only still, although mount said nothing")
    trouble = probe(point)
    if trouble is not None:
        raise Refused(f"{point} is mounted writable, but cannot be written to: {trouble}")
    return {"changed": read_only, "writable": True, "kind": mount.kind}


def check(module: AnsibleModule) -> dict[str, t.Any]:
    """Check the filesystem of a device; return the answer, Refused or CommandError if that cannot be."""
    if not module.params["confirmed"]:
        raise Refused("a person has to agree to a check (confirmed: true), because it takes the filesystem for itself")
    device = os.path.realpath(module.params["device"])
    take_for_ourselves(device)
    kind = module.params["kind"] or ask_kind(module, device)
    try:
        how = check_of(kind, read_only=module.check_mode)
    except ValueError as exc:
        raise Refused(str(exc)) from exc
    argv = [module.get_bin_path(how.program, required=True), *how.arguments, device]
    done = run_group(argv, module.params["timeout"])
    found = verdict(how, done.rc)
    # Nobody can tell before the real run how much of what is wrong an ext filesystem's checker corrects.
    predicted = module.check_mode and found.clean is False and check_of(kind, read_only=False).repairs
    answer = {
        "changed": found.corrected or predicted,
        "clean": found.clean,
        "corrected": found.corrected,
        "kind": kind,
        "status": done.rc,
        "output": (done.stdout + done.stderr)[-_SHOWN_CHARACTERS:],
    }
    if found.reason is not None and not predicted:
        answer["msg"] = f"{device}: {found.reason}"
    return answer


def take_for_ourselves(device: str) -> None:
    """Refused unless it is a block device that nobody uses: as a mount, as swap, in an array or a volume."""
    try:
        if not stat.S_ISBLK(os.stat(device).st_mode):
            raise Refused(f"{device} is no block device")
        # The kernel gives it to one only; a filesystem that is mounted in another namespace counts, too.
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            by = sorted({mount.point for mount in mounts() if os.path.realpath(mount.source) == device})
            where = f"mounted at {', '.join(by)}" if by else "mounted elsewhere, or part of an array, volume or swap"
            raise Refused(f"{device} is in use ({where}); unmount it first") from exc
        raise Refused(f"{device} cannot be opened: {exc.strerror}") from exc


def ask_kind(module: AnsibleModule, device: str) -> str:
    """Return the kind of filesystem that a device holds, an empty text if that is not known."""
    done = run([module.get_bin_path("blkid", required=True), "-p", "-o", "value", "-s", "TYPE", device], 60)
    return done.stdout.strip()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "required": True, "choices": ["remounted", "checked"]},
            "path": {"type": "path"},
            "device": {"type": "path"},
            "confirmed": {"type": "bool", "default": False},
            "kind": {"type": "str", "choices": list(KINDS)},
            "timeout": {"type": "int", "default": 1800},
            "fstab": {"type": "path", "default": "/etc/fstab"},
        },
        required_if=[("state", "remounted", ["path"]), ("state", "checked", ["device"])],
        supports_check_mode=True,
    )
    nothing: dict[str, t.Any] = {"changed": False, "writable": None, "clean": None, "corrected": False}
    if module.params["timeout"] < 1:
        module.fail_json(msg=f"timeout must be at least 1 second, not {module.params['timeout']}", **nothing)
    try:
        answer = dict(nothing, **(remount if module.params["state"] == "remounted" else check)(module))
    except (Refused, CommandError, OSError) as exc:
        module.fail_json(msg=str(exc), **nothing)
    if "msg" in answer:
        module.fail_json(**answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
