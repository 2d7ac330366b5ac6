# A tree of files: what is in it, and writing it below a root.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import glob
import os
from typing import NamedTuple

# Only root may read these in a real /sys.
PRIVATE = ("product_serial", "product_uuid", "board_serial", "chassis_serial", "DMI", "smbios_entry_point")
# What is removed when it is not in the tree any more. All else below the root may belong to somebody else.
OWNED = (
    "sys/bus/pci",
    "sys/devices/pci*",
    "sys/class/net",
    "sys/class/infiniband",
    "sys/class/nvme",
    "sys/block",
    "proc/driver",
)


class Link(NamedTuple):
    """A symbolic link to a path below the root; in the tree it is written as a relative one, as the kernel does."""

    target: str


Content = str | bytes | Link
Tree = dict[str, Content]


def _same(path: str, content: Content, mode: int) -> bool:
    try:
        if isinstance(content, Link):
            return os.readlink(path) == content.target
        if os.path.islink(path) or os.stat(path).st_mode & 0o777 != mode:
            return False
        with open(path, "rb") as handle:
            return handle.read() == content
    except OSError:
        return False


def _put(path: str, content: Content, mode: int) -> None:
    """Put a file or a link in its place in one step, so that a reader sees the old or the new one."""
    temporary = f"{path}.new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    if isinstance(content, Link):
        os.symlink(content.target, temporary)
    else:
        with open(temporary, "wb") as handle:
            handle.write(content if isinstance(content, bytes) else content.encode())
            os.fchmod(handle.fileno(), mode)
    os.replace(temporary, path)


def _remove_others(root: str, tree: Tree) -> int:
    removed = 0
    wanted = {os.path.join(root, name) for name in tree}
    for pattern in OWNED:
        for top in glob.glob(os.path.join(root, pattern)):
            for folder, folders, files in os.walk(top, topdown=False):
                for path in (os.path.join(folder, name) for name in files + folders):
                    if os.path.isdir(path) and not os.path.islink(path):
                        if not os.listdir(path):
                            os.rmdir(path)
                    elif path not in wanted:
                        os.unlink(path)
                        removed += 1
    return removed


def write(tree: Tree, root: str) -> int:
    """Make the files below the root what the tree says; return how many changed."""
    changed = 0
    made = set()
    for name, content in tree.items():
        path = os.path.join(root, name)
        folder = os.path.dirname(path)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        mode = 0o400 if os.path.basename(name) in PRIVATE else 0o444
        if isinstance(content, Link):
            content = Link(os.path.relpath(content.target, os.path.dirname(name)))
        elif isinstance(content, str):
            content = content.encode()
        if not _same(path, content, mode):
            _put(path, content, mode)
            changed += 1
    return changed + _remove_others(root, tree)
