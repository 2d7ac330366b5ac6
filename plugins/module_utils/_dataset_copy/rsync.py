# Runs rsync: how much there is, what differs, and the copying itself.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy.places import Place
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, DatasetCopyError
from ansible_collections.aidc.ops.plugins.module_utils._repair.group_runner import TimeUp, run_group
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result

LEAST_RATE = 1024
"""Bytes per second; rsync limits in KiB."""

# Nobody is there to answer a question, and a node that died must not be waited for.
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=30 -o ServerAliveCountMax=4"
# No devices and pipes: what is one is named as a difference. -s keeps paths from the shell of the other node.
_KEPT = ("--recursive", "--links", "--perms", "--times", "--owner", "--group", "--numeric-ids")
_ALWAYS = (*_KEPT, "--delete", "-s", "-e", _SSH)
_GRACE_SECONDS = 5.0
_FIGURE = re.compile(r"^(Number of files|Total file size|Literal data): ([0-9][0-9.,]*)", re.MULTILINE)


class Size(t.NamedTuple):
    """What there is to copy: files and directories with the piece's own, and the bytes of the files."""

    files: int
    bytes: int


class Rsync:
    """rsync on this node, for the directory *what*. All that it does together takes *seconds* at most.

    *keep_open* are files that stay open in rsync, and locked with it should it outlive us. Every failure is a
    DatasetCopyError.
    """

    def __init__(self, program: str, seconds: float, what: str) -> None:
        self._program = program
        self._what = what
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self.keep_open: tuple[int, ...] = ()

    def left(self) -> float:
        """Seconds that are left; DatasetCopyError when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise DatasetCopyError(self._late())
        return left

    def measure(self, source: Place, to: str) -> Size:
        """Files and bytes of a source. *to* need not be there."""
        figures = self._figures(self._run(["--dry-run", "--stats"], source, to))
        return Size(figures["Number of files"], figures["Total file size"])

    def copy(self, source: Place, to: str, rate: int | None, checksum: bool) -> int:
        """Make a directory like the source, and return the bytes that were sent for it.

        What a former call brought stays, also parts of files: they are written in place, and what is there is compared
        before anything is sent.
        """
        options = ["--inplace", "--no-whole-file", "--stats"]
        if rate is not None:
            options.append(f"--bwlimit={rate // 1024}")
        if checksum:
            options.append("--checksum")
        return self._figures(self._run(options, source, to))["Literal data"]

    def differences(self, source: Place, to: str, checksum: bool) -> list[str]:
        """What rsync would still do, a line for each file; nothing if both are equal.

        Times of directories do not count: whoever makes and removes a file there changes them. Without *checksum*
        files of the same size and time are the same.
        """
        options = ["--dry-run", "--itemize-changes", "--omit-dir-times"]
        if checksum:
            options.append("--checksum")
        return [line for line in self._run(options, source, to).stdout.splitlines() if line.strip()]

    def _run(self, options: t.Sequence[str], source: Place, to: str) -> Result:
        argv = [self._program, *_ALWAYS, *options, "--", f"{source}/", f"{to}/"]
        try:
            done = run_group(argv, self.left(), grace=_GRACE_SECONDS, keep_open=self.keep_open)
        except TimeUp as exc:
            raise DatasetCopyError(self._late()) from exc
        except CommandError as exc:
            raise DatasetCopyError(str(exc)) from exc
        if done.rc != 0:
            said = " ".join(done.stderr.split())[-600:]
            raise DatasetCopyError(f"rsync from {source} to {to} ended with status {done.rc}: {said}")
        return done

    def _late(self) -> str:
        return (
            f"{self._what}: not done within {self._seconds:g} s and stopped; what was copied stays, and the next run"
            " goes on with it"
        )

    @staticmethod
    def _figures(done: Result) -> dict[str, int]:
        found = {name: int(re.sub(r"[.,]", "", figure)) for name, figure in _FIGURE.findall(done.stdout)}
        if len(found) < 3:
            raise DatasetCopyError(f"rsync gave no figures but {done.stdout[-200:]!r}; it has to be 3.1 or newer")
        return found
