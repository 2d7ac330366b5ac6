# Says which directories a piece may be copied from and to, and how they are called on the way.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import DatasetCopyError
from ansible_collections.aidc.ops.plugins.module_utils._repair.denied_paths import denial, inside

# None begins with a dash, so none can be an option of ssh.
_HOST = re.compile(
    r"^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,63}@)?(?:[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])\Z"
)
_OURS = re.compile(r"^\..*\.aidc_ops_(partial|leaving|gone)\Z", re.DOTALL)
_NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_WILDCARDS = "*?[]\\"
_MAX_NAME_BYTES = 255 - len("..aidc_ops_leaving")


class Place(t.NamedTuple):
    """A directory on another node, or on this one where *host* is empty. *path* is absolute and normal."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}:{self.path}" if self.host else self.path


class Target(t.NamedTuple):
    """The real path of a piece on this node, and the names beside it that no reader takes for data.

    *partial* is a copy that is not complete, *leaving* one that is about to go, *gone* one that may go.
    """

    path: str
    partial: str
    leaving: str
    gone: str


def plain_path(option: str, path: str) -> str:
    """The path without doubled slashes. DatasetCopyError unless it is absolute, plain text, and without C(..)."""
    if _NO_TEXT.search(path):
        raise DatasetCopyError(f"{option}: {path!r} has a character in it that is no text; rename the directory")
    if not path.startswith("/"):
        raise DatasetCopyError(f"{option}: {path!r} is no absolute path; begin it with /")
    if ".." in path.split("/"):
        raise DatasetCopyError(f"{option}: {path!r} goes up with ..; name the directory itself")
    found = "/" + os.path.normpath(path).lstrip("/")
    if found == "/":
        raise DatasetCopyError(f"{option}: / is no place for a piece; name a directory")
    return found


def place(option: str, text: str) -> Place:
    """The directory of a text C(path), C(host:path) or C(user@host:path). DatasetCopyError for anything else."""
    if text.startswith("/"):
        return Place("", plain_path(option, text))
    host, colon, path = text.partition(":/")
    if not colon or not _HOST.match(host) or path.startswith("/"):
        raise DatasetCopyError(
            f"{option}: {text!r} is neither an absolute path nor host:path or user@host:path with an absolute one"
        )
    path = plain_path(option, "/" + path)
    # rsync expands them on the other node, where they may mean more than this directory.
    if any(sign in path for sign in _WILDCARDS):
        raise DatasetCopyError(f"{option}: {path!r} has one of {_WILDCARDS} in it, which stand for other names there")
    return Place(host, path)


def target(dest: str, root: str) -> Target:
    """Where a piece lies on this node. DatasetCopyError if that is not below *root*, or a link leads elsewhere."""
    top, path = plain_path("root", root), plain_path("dest", dest)
    if not inside(path, top) or path == top:
        raise DatasetCopyError(f"dest: {path} is not below root, {top}")
    if not os.path.isdir(top):
        raise DatasetCopyError(f"root: {top} is no directory on this node; make it, or mount what belongs there")
    name = os.path.basename(path)
    if any(_OURS.match(part) for part in path.split("/")):
        raise DatasetCopyError(f"dest: {path} has a name that this module gives to copies that are not complete")
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        raise DatasetCopyError(f"dest: the name {name:.50}... is longer than {_MAX_NAME_BYTES} bytes")
    folder = os.path.realpath(os.path.dirname(path))
    if not inside(folder, os.path.realpath(top)):
        raise DatasetCopyError(f"dest: a link leads {path} to {folder}, which is not below root, {top}")
    real = os.path.join(folder, name)
    if os.path.islink(real):
        raise DatasetCopyError(f"dest: {path} is a link; name the directory that it leads to")
    reason = denial(real)
    if reason is not None:
        raise DatasetCopyError(f"dest: data cannot be kept there: {reason}")
    partial, leaving, gone = (os.path.join(folder, f".{name}.aidc_ops_{end}") for end in ("partial", "leaving", "gone"))
    return Target(real, partial, leaving, gone)


def check_apart(option: str, other: Place, mine: Target) -> None:
    """DatasetCopyError if a place on this node is the piece itself, in it, or around it."""
    if other.host:
        return
    real = os.path.realpath(other.path)
    for path in mine:
        same = os.path.exists(path) and os.path.exists(real) and os.path.samefile(path, real)
        if same or inside(real, path) or inside(path, real):
            raise DatasetCopyError(f"{option}: {other} and {mine.path} are one directory, or one is in the other")
