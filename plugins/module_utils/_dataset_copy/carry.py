# Brings a piece to this node, or takes it away, in steps that may be cut off anywhere.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy.places import Place, Target
from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy.rsync import Rsync, Size
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, DatasetCopyError
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

_MAX_SHOWN = 5


class Outcome(t.NamedTuple):
    """*size* is that of the data, *copied* the bytes that were sent, *resumed* whether some had been there before."""

    changed: bool
    size: Size | None = None
    copied: int = 0
    resumed: bool = False


def bring(rsync: Rsync, source: Place, mine: Target, rate: int | None, checksum: bool, check: bool) -> Outcome:
    """Copy a piece to this node unless an equal copy is there; DatasetCopyError if that cannot be done or proved.

    It gets its name only after it was compared with the source and is on the disk. With *check* nothing is written.
    """
    size = rsync.measure(source, mine.partial)
    if size.files <= 1:
        raise DatasetCopyError(f"{source} is empty; is the filesystem mounted that belongs there?")
    if os.path.lexists(mine.leaving):
        raise DatasetCopyError(f"{mine.leaving} is there: a removal was cut off; end it with state=absent first")
    if _holds_something(mine.path):
        different = rsync.differences(source, mine.path, checksum)
        if different:
            raise DatasetCopyError(
                f"{mine.path} is there and not what {source} is: {_some(different)}; remove the one that is wrong"
            )
        return Outcome(False, size)
    resumed = os.path.lexists(mine.partial)
    _check_room(size, mine)
    if check:
        return Outcome(True, size, 0, resumed)
    folder = os.path.dirname(mine.path)
    os.makedirs(folder, exist_ok=True)
    if not resumed:
        os.mkdir(mine.partial)
    with _locked(rsync, mine.partial):
        # Without contents a part that went wrong on the disk, at the right size and time, would stay so for ever.
        copied = rsync.copy(source, mine.partial, rate, checksum and resumed)
        different = rsync.differences(source, mine.partial, checksum)
        if different:
            raise DatasetCopyError(
                f"the copy of {source} is not equal to it: {_some(different)}; it holds what is no file, directory or"
                " link, or was changed meanwhile: see to that and run again"
            )
        _to_disk(rsync, folder)
        os.rename(mine.partial, mine.path)
        _sync_folder(folder)
    return Outcome(True, size, copied, resumed)


def take_away(rsync: Rsync, keep: Place, mine: Target, checksum: bool, check: bool) -> Outcome:
    """Remove a piece from this node if *keep* is an equal copy; DatasetCopyError if it is not, and nothing is removed.

    It loses its name before the last look at the other copy: was that the same directory under another name, on
    another path or node, it is gone now, and this one gets its name back. With *check* nothing is written.
    """
    held = mine.path
    if os.path.lexists(mine.leaving):
        if _holds_something(mine.path):
            raise DatasetCopyError(f"{mine.path} and {mine.leaving} are both there; remove the one that is wrong")
        # A run was cut off before it was sure. So it is a copy like any other.
        if check:
            held = mine.leaving
        else:
            os.rename(mine.leaving, mine.path)
    if os.path.lexists(held):
        if os.path.islink(held) or not os.path.isdir(held):
            raise DatasetCopyError(f"{held} is no directory, so it is no piece")
        _prove(rsync, keep, held, checksum)
    elif not any(os.path.lexists(path) for path in (mine.partial, mine.gone)):
        return Outcome(False)
    if check:
        return Outcome(True)
    if os.path.lexists(held):
        with _locked(rsync, held):
            os.rename(mine.path, mine.leaving)
            try:
                _prove(rsync, keep, mine.leaving, False)
            except BaseException:
                os.rename(mine.leaving, mine.path)
                raise
            _remove(rsync, mine.gone)
            os.rename(mine.leaving, mine.gone)
    _remove(rsync, mine.gone)
    if os.path.lexists(mine.partial):
        with _locked(rsync, mine.partial):
            _remove(rsync, mine.partial)
    return Outcome(True)


def _prove(rsync: Rsync, keep: Place, held: str, checksum: bool) -> None:
    try:
        different = rsync.differences(keep, held, checksum)
    except DatasetCopyError as exc:
        raise DatasetCopyError(f"{held} stays, for the other copy cannot be compared with it: {exc}") from exc
    if different:
        raise DatasetCopyError(f"{held} stays, for {keep} is not equal to it: {_some(different)}")


def _some(different: t.Sequence[str]) -> str:
    shown = "; ".join(line[:200] for line in different[:_MAX_SHOWN])
    more = len(different) - _MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _holds_something(path: str) -> bool:
    """Whether there is anything but an empty directory, over which a copy may be put."""
    if not os.path.lexists(path):
        return False
    if not os.path.isdir(path):
        raise DatasetCopyError(f"{path} is no directory, so it is no piece; remove it, or take another dest")
    with os.scandir(path) as entries:
        return next(entries, None) is not None


def _check_room(size: Size, mine: Target) -> None:
    """DatasetCopyError unless what is missing fits; each file may take a block more than its bytes."""
    folder = os.path.dirname(mine.path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    found = os.statvfs(folder)
    there = 0
    for path, _folders, names in os.walk(mine.partial):
        there += sum(os.lstat(os.path.join(path, name)).st_blocks * 512 for name in names)
    needed = size.bytes + size.files * found.f_frsize - there
    free = found.f_bavail * found.f_frsize
    if needed > free:
        raise DatasetCopyError(
            f"{mine.path} needs {needed} bytes, and {free} are free below {folder}; free {needed - free} there"
        )


@contextlib.contextmanager
def _locked(rsync: Rsync, path: str) -> t.Iterator[None]:
    """A lock on a directory, which rsync holds too: were we killed, it would go on, and a second one must wait."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetCopyError(f"{path} is in work by another run, or by what it left; wait for its end") from None
        # Whoever had the lock before may have renamed it.
        if not os.path.lexists(path) or not os.path.samestat(os.fstat(handle), os.lstat(path)):
            raise DatasetCopyError(f"{path} was finished by another run a moment ago; run again")
        rsync.keep_open = (handle,)
        yield
    finally:
        rsync.keep_open = ()
        os.close(handle)


def _to_disk(rsync: Rsync, folder: str) -> None:
    """Wait until the data is on the disk: the other copy may be removed next."""
    _command(["sync", "--file-system", folder], rsync)


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(rsync: Rsync, path: str) -> None:
    """Remove a directory with all in it, but nothing that is mounted there."""
    if os.path.lexists(path):
        _command(["rm", "--recursive", "--force", "--one-file-system", "--", path], rsync)


def _command(argv: t.Sequence[str], rsync: Rsync) -> None:
    try:
        done = run(argv, rsync.left())
    except CommandError as exc:
        raise DatasetCopyError(f"{exc} The next run goes on with it.") from exc
    if done.rc != 0:
        raise DatasetCopyError(f"{' '.join(argv)} ended with status {done.rc}: {' '.join(done.stderr.split())[-600:]}")
