# Finds and removes old files below one directory, without ever leaving it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever may write into the directory may change it under our feet: swap a directory for a link, a file for another.

So no path is ever given to the kernel. Each directory is opened from the one above it, and links are refused there;
a directory on another mount is not entered; and a file is removed from its open directory by its name, after a look
that it is still the file that was chosen.
"""

from __future__ import annotations

import fnmatch
import heapq
import os
import stat
import time
import typing as t

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_DEPTH = 200
"""Deeper than any honest tree."""


class Unclean(Exception):
    """The directory cannot be cleaned; the message says why."""


class _Elsewhere(Exception):
    """A directory is on another mount."""


class Wanted(t.NamedTuple):
    """What is to be removed below one directory."""

    patterns: tuple[str, ...]
    older_than: float
    keep_bytes: int | None = None
    target_free_percent: float | None = None


class Found(t.NamedTuple):
    """A file that may go. It is ordered by its age."""

    modified_ns: int
    parts: tuple[str, ...]
    inode: int
    size: int
    """Bytes on the disk that its removal sets free; 0 if it has other names as well."""


def open_directory(path: str) -> tuple[int, int | None]:
    """Return an open directory and the identity of its mount; Unclean if a part of the path is a link.

    It must not be a mount point: what is mounted there belongs to somebody who set it up.
    """
    parts = [part for part in path.split("/") if part]
    if not parts:
        raise Unclean("the root directory is never cleaned")
    handle = os.open("/", _DIRECTORY)
    above: tuple[int | None, int] = _place(handle)
    try:
        for part in parts:
            above = _place(handle)
            handle = _descend(handle, part)
    except OSError as exc:
        os.close(handle)
        raise Unclean(f"{path} cannot be opened without following links: {exc.strerror}") from exc
    mount = _place(handle)
    if mount != above:
        os.close(handle)
        raise Unclean(f"{path} is a mount point; name a directory in it")
    return handle, mount[0]


def _descend(handle: int, name: str) -> int:
    """Open a directory in the one that is open, and close that."""
    deeper = os.open(name, _DIRECTORY, dir_fd=handle)
    os.close(handle)
    return deeper


def _place(handle: int) -> tuple[int | None, int]:
    """Return the mount (None where the kernel does not tell) and the device of an open directory."""
    mount = None
    try:
        with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as info:
            for line in info:
                if line.startswith("mnt_id:"):
                    mount = int(line.split()[1])
    except (OSError, ValueError):
        pass
    return mount, os.fstat(handle).st_dev


class Tree:
    """An open directory. Use it in a C(with) block; Unclean if it cannot be cleaned."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._root, _mount = open_directory(path)
        self._where = _place(self._root)
        self.problems: list[str] = []
        self.skipped: list[str] = []
        """Directories in which something else is mounted."""

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_unused: object) -> None:
        os.close(self._root)

    def free(self) -> tuple[int, int]:
        """Return (bytes that are free for everybody, bytes of the filesystem)."""
        found = os.fstatvfs(self._root)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    def find(self, wanted: Wanted, limit: int, until: float) -> tuple[list[Found], int]:
        """Return at most C(limit) files that may go, oldest first, and the bytes of all that match the patterns.

        The walk ends at C(until) by the monotonic clock; a problem tells then.
        """
        oldest = time.time() - wanted.older_than
        matching = [0]

        def candidates() -> t.Iterator[Found]:
            for parts, entry in self._walk(until):
                if not any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in wanted.patterns):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if not stat.S_ISREG(status.st_mode):
                    continue
                size = status.st_blocks * 512 if status.st_nlink == 1 else 0
                matching[0] += size
                if status.st_mtime <= oldest:
                    yield Found(status.st_mtime_ns, (*parts, entry.name), status.st_ino, size)

        found = heapq.nsmallest(limit, candidates())
        return found, matching[0]

    def remove(self, found: Found) -> bool:
        """Remove a file if it is still the one that was found; whether it was. A refusal is a problem."""
        try:
            folder = self._open(found.parts[:-1])
        except _Elsewhere:
            return False
        except OSError as exc:
            self._problem(found.parts, exc)
            return False
        try:
            status = os.stat(found.parts[-1], dir_fd=folder, follow_symlinks=False)
            same = (status.st_ino, status.st_mtime_ns) == (found.inode, found.modified_ns)
            if not same or not stat.S_ISREG(status.st_mode):
                return False
            os.unlink(found.parts[-1], dir_fd=folder)
        except FileNotFoundError:
            return False
        except OSError as exc:
            self._problem(found.parts, exc)
            return False
        finally:
            os.close(folder)
        return True

    def name(self, parts: t.Sequence[str]) -> str:
        """Return a path for people; what is no text in it is shown as C(\\x..)."""
        return os.fsencode("/".join((self.path, *parts))).decode("utf-8", "backslashreplace")

    def _walk(self, until: float) -> t.Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            if time.monotonic() >= until:
                self.problems.append("the time was up before everything was looked at")
                return
            try:
                folder = self._open(parts)
            except _Elsewhere:
                self.skipped.append(self.name(parts))
                continue
            except OSError as exc:
                self._problem(parts, exc)
                continue
            try:
                # Closed here: scandir works on a copy of the descriptor.
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if not entry.is_dir(follow_symlinks=False):
                            yield parts, entry
                        elif len(parts) >= MAX_DEPTH:
                            self.problems.append(f"{self.name(parts)} is too deep; what is below it is left alone")
                        else:
                            waiting.append((*parts, entry.name))
            except OSError as exc:
                self._problem(parts, exc)
            finally:
                os.close(folder)

    def _open(self, parts: t.Sequence[str]) -> int:
        """Open a directory below ours, step by step; OSError if it is a link by now, _Elsewhere if on another mount."""
        handle = os.dup(self._root)
        try:
            for part in parts:
                handle = _descend(handle, part)
                if _place(handle) != self._where:
                    raise _Elsewhere
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _problem(self, parts: t.Sequence[str], exc: OSError) -> None:
        self.problems.append(f"{self.name(parts)}: {exc.strerror}")


def choose(found: t.Sequence[Found], wanted: Wanted, matching: int, free: int, total: int) -> list[Found]:
    """Return those that have to go, oldest first, until the targets are met; all of them if there are no targets."""
    gone = 0
    chosen = []
    for one in found:
        if met(wanted, matching - gone, free + gone, total):
            break
        chosen.append(one)
        gone += one.size
    return chosen


def met(wanted: Wanted, matching: int, free: int, total: int) -> bool:
    """Whether the targets are met; never if there are none."""
    goals = []
    if wanted.keep_bytes is not None:
        goals.append(matching <= wanted.keep_bytes)
    if wanted.target_free_percent is not None:
        goals.append(total <= 0 or 100.0 * free / total >= wanted.target_free_percent)
    return bool(goals) and all(goals)
