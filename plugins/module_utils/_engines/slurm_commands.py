# Slurm's nodes through its commands, as JSON.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import SlurmNode, parse
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, EngineError

_TOO_OLD = "unrecognized option '--json'"


def nodes(scontrol: str, sinfo: str, timeout: float) -> list[SlurmNode]:
    """All nodes; EngineError unless Slurm gives them within ``timeout`` seconds.

    C(scontrol) has --json since 23.02. C(sinfo) of 22.05 has it too, and gives nodes there; later ones give groups of
    nodes that are alike.
    """
    give_up_at = time.monotonic() + timeout
    try:
        # --all: nodes that are in hidden partitions only are nodes as well.
        argv = [scontrol, "--all", "--json", "show", "nodes"]
        answer = _runner.run(argv, timeout)
        if answer.rc != 0 and _TOO_OLD in answer.stderr:
            argv = [sinfo, "--all", "--json"]
            answer = _runner.run(argv, max(0.1, give_up_at - time.monotonic()))
    except CommandError as error:
        raise EngineError(f"Slurm cannot be asked: {error}") from error
    command = " ".join(argv)
    if answer.rc != 0:
        said = (answer.stderr.strip() or answer.stdout.strip())[:500]
        raise EngineError(f"Slurm refused '{command}': {said or 'no reason given'}")
    try:
        return parse(answer.stdout)
    except EngineError as error:
        raise EngineError(f"{command}: {error}") from error
