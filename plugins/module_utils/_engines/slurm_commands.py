# Slurm's nodes and jobs through its commands, as JSON, and its accounting.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import SlurmNode, parse
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, EngineError

_TOO_OLD = "unrecognized option '--json'"
# What failed or was cancelled says nothing about how long such work takes.
_ENDED = "CD,TO"


def nodes(scontrol: str, sinfo: str, timeout: float) -> list[SlurmNode]:
    """All nodes; EngineError unless Slurm gives them within ``timeout`` seconds."""
    command, text = nodes_text(scontrol, sinfo, timeout)
    try:
        return parse(text)
    except EngineError as error:
        raise EngineError(f"{command}: {error}") from error


def nodes_text(scontrol: str, sinfo: str, timeout: float) -> tuple[str, str]:
    """The command that was asked for all nodes, and its JSON; EngineError unless it comes within ``timeout`` seconds.

    C(scontrol) has --json since 23.02. C(sinfo) of 22.05 has it too, and gives nodes there; later ones give groups of
    nodes that are alike.
    """
    give_up_at = time.monotonic() + timeout
    # --all: nodes that are in hidden partitions only are nodes as well.
    argv = [scontrol, "--all", "--json", "show", "nodes"]
    answer = _run(argv, timeout)
    if answer.rc != 0 and _TOO_OLD in answer.stderr:
        argv = [sinfo, "--all", "--json"]
        answer = _run(argv, max(0.1, give_up_at - time.monotonic()))
    return _good(argv, answer)


def jobs_text(squeue: str, timeout: float) -> tuple[str, str]:
    """The command that was asked for all jobs, and its JSON, which has ended jobs in it too. EngineError as above."""
    argv = [squeue, "--all", "--json"]
    return _good(argv, _run(argv, timeout))


def accounting_text(sacct: str, days: int, timeout: float) -> tuple[str, str]:
    """The command that was asked for jobs that ended in the last ``days``, and its lines. EngineError as above.

    A line is account, seconds that it ran, limit in minutes.
    """
    argv = [sacct, "--allusers", "--allocations", "--noheader", "--parsable2", f"--starttime=now-{days}days"]
    argv += ["--endtime=now", f"--state={_ENDED}", "--format=Account,ElapsedRaw,TimelimitRaw"]
    return _good(argv, _run(argv, timeout))


def _run(argv: list[str], timeout: float) -> _runner.Result:
    try:
        return _runner.run(argv, timeout)
    except CommandError as error:
        raise EngineError(f"Slurm cannot be asked: {error}") from error


def _good(argv: list[str], answer: _runner.Result) -> tuple[str, str]:
    command = " ".join(argv)
    if answer.rc != 0:
        said = (answer.stderr.strip() or answer.stdout.strip())[:500]
        raise EngineError(f"Slurm refused '{command}': {said or 'no reason given'}")
    return command, answer.stdout
