# The one place of the collection that runs programs.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError


@dataclass(frozen=True)
class Result:
    """What a program answered; texts are decoded as UTF-8, with bytes that are none made visible."""

    rc: int
    stdout: str
    stderr: str


def run(argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Result:
    """Runs a program with a list of arguments (never through a shell) for at most ``timeout`` seconds.

    Its exit status is the caller's to judge. CommandError when it cannot be started or does not end in time (it is
    killed then). Messages are asked for in English, because callers read them. ``env`` is added to the environment: a
    secret belongs there, since everybody on the machine can read arguments.
    """
    try:
        ended = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C", **(env or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{argv[0]} did not answer within {timeout:g} s and was stopped.") from error
    except OSError as error:
        raise CommandError(f"{argv[0]} cannot be started: {error.strerror}.") from error
    return Result(
        ended.returncode,
        ended.stdout.decode("utf-8", "backslashreplace"),
        ended.stderr.decode("utf-8", "backslashreplace"),
    )
