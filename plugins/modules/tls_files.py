#!/usr/bin/python
# Module: places a certificate, its key and authorities in one directory.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_files
version_added: 0.1.0
short_description: Place certificates and keys in one directory
description:
  - Brings the files of O(directory) to the contents that are given, and removes those of O(absent). It is one transfer
    where M(ansible.builtin.copy) takes several for each file.
  - Each file is complete, and has its owner and mode, before it replaces the one that was there. A key can be read by
    nobody else at any moment.
  - All files are looked at before any is changed.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
    details:
      - An owner or a group that is not there yet counts as a change.
  diff_mode:
    support: none
    details:
      - Keys are never shown.
  idempotent:
    support: full
options:
  directory:
    description: An absolute path. The directory is made if it is not there, and those above it.
    type: path
    required: true
  directory_mode:
    description: Mode of the directory, which then belongs to root. Without it a directory that is there stays as it is.
    type: str
  owner:
    description: Who owns the files.
    type: str
    default: root
  group:
    description: The group of the files.
    type: str
    default: root
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name in the directory., type: str, required: true}
      content: {description: What is in it., type: str, required: true}
      mode: {description: 'Mode, in octal.', type: str, default: '0444'}
  absent:
    description: Names of files that are removed.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Place the certificate of this host
  aidc.ops.tls_files:
    directory: /etc/example/tls
    directory_mode: '0755'
    group: example
    files:
      - name: tls.crt
        content: "{{ lookup('ansible.builtin.file', 'pki/' ~ inventory_hostname ~ '.crt', rstrip=false) }}"
      - name: tls.key
        content: "{{ lookup('ansible.builtin.file', 'pki/' ~ inventory_hostname ~ '.key', rstrip=false) }}"
        mode: '0440'
    absent: [ca.crt]
  become: true
"""

RETURN = r"""
written: {description: Files that were or would be changed., returned: success, type: list, elements: str}
removed: {description: Files that were or would be removed., returned: success, type: list, elements: str}
"""

import grp
import os
import pwd
import stat
import tempfile
import typing as t
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

LARGEST = 1024 * 1024
NOBODY = -1


class TlsFileError(Exception):
    """What cannot be done, and why."""


@dataclass(frozen=True)
class Wanted:
    """A file as it should be. ``owner`` and ``group`` are numbers; NOBODY is one that is not there yet."""

    path: str
    content: bytes
    mode: int
    owner: int
    group: int

    def differs(self) -> bool:
        """Whether it is not there like that. TlsFileError if something else is there."""
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return True
        if stat.S_ISDIR(status.st_mode):
            raise TlsFileError(f"{self.path} is a directory; move it away")
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(self.content):
            return True
        if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != (self.mode, self.owner, self.group):
            return True
        with open(self.path, "rb") as stream:
            return stream.read() != self.content


def _number(kind: str, name: str, look: t.Callable[[str], int], check: bool) -> int:
    try:
        return look(name)
    except KeyError:
        if check:
            return NOBODY
        raise TlsFileError(f"{kind}: this host has no {kind} {name!r}") from None


def _mode(option: str, text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise TlsFileError(f"{option}: expected a mode in octal such as '0440', got {text!r}")
    return mode


def _path(directory: str, option: str, name: str, seen: set[str]) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise TlsFileError(f"{option}: expected the name of a file, got {name!r}")
    if name in seen:
        raise TlsFileError(f"{option}: {name} is named twice")
    seen.add(name)
    return os.path.join(directory, name)


def _wanted(parameters: dict[str, t.Any], check: bool) -> tuple[list[Wanted], list[str]]:
    directory = parameters["directory"]
    if not os.path.isabs(directory):
        raise TlsFileError(f"directory: expected an absolute path, got {directory!r}")
    owner = _number("owner", parameters["owner"], lambda name: pwd.getpwnam(name).pw_uid, check)
    group = _number("group", parameters["group"], lambda name: grp.getgrnam(name).gr_gid, check)
    seen: set[str] = set()
    files = []
    for number, entry in enumerate(parameters["files"]):
        option = f"files[{number}]"
        path = _path(directory, f"{option}.name", entry["name"], seen)
        content = entry["content"].encode("utf-8", "surrogateescape")
        if not 0 < len(content) <= LARGEST:
            raise TlsFileError(f"{option}.content: {entry['name']} has {len(content)} bytes; expected 1 to {LARGEST}")
        files.append(Wanted(path, content, _mode(f"{option}.mode", entry["mode"]), owner, group))
    return files, [_path(directory, f"absent[{n}]", name, seen) for n, name in enumerate(parameters["absent"])]


def _directory(module: AnsibleModule, path: str, mode: str | None) -> bool:
    """Make the directory or give it its mode; whether that is or would be a change."""
    if os.path.lexists(path) and not os.path.isdir(path):
        raise TlsFileError(f"directory: {path} is not a directory")
    wanted = None if mode is None else _mode("directory_mode", mode)
    if not os.path.isdir(path):
        if not module.check_mode:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            # Nobody gets in before it has its mode.
            os.mkdir(path, 0o700)
            os.chmod(path, 0o755 if wanted is None else wanted)
            module.set_context_if_different(path, module.selinux_default_context(path), False)
        return True
    status = os.stat(path)
    if wanted is None or (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (wanted, 0, 0):
        return False
    if not module.check_mode:
        os.chown(path, 0, 0)
        os.chmod(path, wanted)
    return True


def _write(module: AnsibleModule, one: Wanted) -> None:
    """A file beside it that only root reads gets owner and mode, and then its name."""
    handle, beside = tempfile.mkstemp(prefix=".aidc_ops_", dir=os.path.dirname(one.path))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(one.content)
            stream.flush()
            os.fsync(handle)
        os.chown(beside, one.owner, one.group)
        os.chmod(beside, one.mode)
        module.set_context_if_different(beside, module.selinux_default_context(one.path), False)
        os.replace(beside, one.path)
    except BaseException:
        os.unlink(beside)
        raise


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "directory_mode": {"type": "str"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True, "no_log": True},
                    "mode": {"type": "str", "default": "0444"},
                },
            },
            "absent": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    directory = module.params["directory"]
    try:
        files, absent = _wanted(module.params, module.check_mode)
        changed = _directory(module, directory, module.params["directory_mode"])
        written = [one for one in files if one.differs()]
        removed = [path for path in absent if os.path.lexists(path)]
        if not module.check_mode:
            for one in written:
                _write(module, one)
            for path in removed:
                os.unlink(path)
    except (TlsFileError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=changed or bool(written or removed),
        written=[os.path.basename(one.path) for one in written],
        removed=[os.path.basename(path) for path in removed],
    )


if __name__ == "__main__":
    main()
