# Runs a program with all that it starts, and ends all of it when its time is up.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis starts programs of its own, which would go on when only the first one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result

MAX_OUTPUT_BYTES = 4 * 1024 * 1024
"""More than any of these programs writes; what is beyond is cut off."""

# Diagnoses and filesystem checkers stop cleanly when they are asked to; this is how long they get.
_GRACE_SECONDS = 10.0


class TimeUp(CommandError):
    """The program did not end in time and was stopped; C(stdout) holds what it had written."""

    def __init__(self, message: str, stdout: str) -> None:
        super().__init__(message)
        self.stdout = stdout


def run_group(
    argv: t.Sequence[str],
    timeout: float,
    env: t.Mapping[str, str] | None = None,
    grace: float = _GRACE_SECONDS,
    keep_open: t.Sequence[int] = (),
) -> Result:
    """Run a program for at most C(timeout) seconds; its exit status is the caller's to judge.

    TimeUp when it does not end in time: its process group is asked to end, and killed C(grace) seconds later.
    CommandError when it cannot be started. A process that is stuck inside the kernel is left behind, not waited for.
    The files C(keep_open) are open in the program too, so that a lock on one holds as long as it runs.
    """
    # Files, not pipes: a grandchild that lives on cannot keep us waiting for the end of its output.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                pass_fds=tuple(keep_open),
                env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C", **(env or {})},
            )
        except OSError as exc:
            raise CommandError(f"{argv[0]} cannot be started: {exc.strerror}.") from exc
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end(process, grace)
            raise TimeUp(f"{argv[0]} did not end within {timeout:g} s and was stopped.", _text(out)) from None
        except BaseException:
            _end(process, 0)
            raise
        _signal(process.pid, signal.SIGKILL)
        return Result(process.returncode, _text(out), _text(err))


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the whole group to end, then kill what is left of it."""
    if grace > 0:
        _signal(process.pid, signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
    _signal(process.pid, signal.SIGKILL)
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        pass


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def _text(stream: t.IO[bytes]) -> str:
    stream.seek(0)
    return stream.read(MAX_OUTPUT_BYTES).decode("utf-8", "backslashreplace")
