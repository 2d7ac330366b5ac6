# Replaces a text file as a whole: a reader sees the old text or the new one, never half of it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import tempfile
import typing as t


class FileError(Exception):
    """A file cannot be read or written; the message says which and why."""


class Found(t.NamedTuple):
    """What stands in a file now, and its mode; both None if there is no such file."""

    text: str | None
    mode: int | None


def find(path: str, may_be_made: bool = False) -> Found:
    """Return what is at C(path); FileError if it is no regular file or cannot be read.

    A directory that is not there is an error too, unless it C(may_be_made) before the file is written.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise FileError(f"{path} is there and is no regular file")
        with open(path, encoding="utf-8", errors="replace") as handle:
            return Found(handle.read(), stat.S_IMODE(status.st_mode))
    except FileNotFoundError:
        folder = os.path.dirname(path)
        if not may_be_made and not os.path.isdir(folder):
            raise FileError(f"{path} cannot be written: there is no directory {folder}; create it first") from None
        return Found(None, None)
    except OSError as exc:
        raise FileError(f"{path} cannot be read: {exc.strerror}") from exc


def write(path: str, text: str, mode: int) -> None:
    """Put the text in place, durably; FileError if that fails, and then the file is what it was."""
    folder = os.path.dirname(path)
    temporary = None
    try:
        # A name that node_exporter does not take for one of its files.
        descriptor, temporary = tempfile.mkstemp(prefix=".aidc_ops-", suffix=".new", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        temporary = None
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as exc:
        raise FileError(f"{path} cannot be written: {exc.strerror}") from exc
    finally:
        if temporary is not None:
            os.unlink(temporary)
