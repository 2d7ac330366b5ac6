# Markers on the node that a destructive attempt was begun, so that it is never made twice.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per attempt.

It is created before the action and names it by the caller's token; whoever finds it there does not act.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

_TOKEN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")


class AttemptError(Exception):
    """The marker cannot be read or written, or the token cannot name one; the message says which and where."""


def marker_path(state_dir: str, action: str, token: str) -> str:
    """Return the marker's path; raise AttemptError if the token is no plain name (it becomes part of a file name)."""
    if not _TOKEN.match(token):
        raise AttemptError(f"the token may hold letters, digits and . _ : - only, at most 128 of them: {token[:200]!r}")
    return os.path.join(state_dir, f"{action}.{token}.json")


def read(path: str) -> dict[str, t.Any] | None:
    """Return the marker's content, None if there is none; raise AttemptError if that cannot be told.

    A half-written marker is still a marker: C({}).
    """
    try:
        with open(path, encoding="utf-8") as handle:
            content = json.load(handle)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    except OSError as exc:
        raise AttemptError(f"cannot read the attempt marker {path}: {exc}") from exc
    return content if isinstance(content, dict) else {}


def _sync_directory(path: str) -> None:
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(path: str, content: t.Mapping[str, t.Any], flags: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        json.dump(content, handle)
        handle.flush()
        os.fsync(handle.fileno())


def begin(path: str, content: t.Mapping[str, t.Any]) -> bool:
    """Create the marker durably. Return False if another attempt with this token got there first."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _write(path, content, os.O_EXCL)
        _sync_directory(path)
    except FileExistsError:
        return False
    except OSError as exc:
        raise AttemptError(f"cannot write the attempt marker {path}: {exc}") from exc
    return True


def finish(path: str, content: t.Mapping[str, t.Any]) -> None:
    """Replace the marker's content with the outcome, durably and at once."""
    temporary = path + ".new"
    try:
        _write(temporary, content, os.O_TRUNC)
        os.replace(temporary, path)
        _sync_directory(path)
    except OSError as exc:
        raise AttemptError(f"cannot write the outcome to {path}: {exc}") from exc


def withdraw(path: str) -> None:
    """Remove the marker of an action that verifiably did not begin."""
    os.unlink(path)
    _sync_directory(path)
