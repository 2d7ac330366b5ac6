# Asks the schedulers that the settings name for what a capacity problem is made of.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes are read before what runs on them. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources import EngineState, kubernetes, slurm
from ansible_collections.aidc.ops.plugins.module_utils._engines import KINDS, EngineOptions, slurm_commands
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import Api, KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

_PATHS = {
    "deployment": "/apis/apps/v1/deployments",
    "statefulset": "/apis/apps/v1/statefulsets",
    "job": "/apis/batch/v1/jobs",
}
_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"


def open_api(options: EngineOptions) -> Api:
    """The API server that the settings name."""
    return KubeApi(options.kubeconfig, options.context, options.timeout_seconds)


def read_state(
    options: EngineOptions, now: float, accounting_days: int = 0, api_of: Callable[[EngineOptions], Api] = open_api
) -> EngineState:
    """The state of one scheduler at ``now``. EngineError if it cannot be had whole.

    ``accounting_days``: of how many days Slurm's accounting is asked for how long jobs take; 0 for none. A site
    without accounting gets a note, and the limits of jobs as their durations.
    """
    if options.kind == "kubernetes":
        api = api_of(options)
        nodes = api.items("/api/v1/nodes")
        workloads = {kind: api.items(path) for kind, path in _PATHS.items()}
        return kubernetes.read(nodes, api.items("/api/v1/pods", fieldSelector=_ALIVE), workloads, now)
    if options.kind != "slurm":
        raise EngineError(f"There is no engine {options.kind!r}; known: {', '.join(KINDS)}.")
    timeout = options.timeout_seconds
    sinfo = getattr(options, "sinfo", None) or _beside(options.squeue, "sinfo")
    _command, node_text = slurm_commands.nodes_text(options.scontrol, sinfo, timeout)
    _command, job_text = slurm_commands.jobs_text(options.squeue, timeout)
    lines, note = "", ""
    if accounting_days:
        try:
            _command, lines = slurm_commands.accounting_text(_beside(options.squeue, "sacct"), accounting_days, timeout)
        except EngineError as error:
            note = f"How long jobs take is not known, so their limits count: {error}"
    state = slurm.read(node_text, job_text, lines, now)
    return replace(state, notes=[*state.notes, note]) if note else state


def _beside(program: str, name: str) -> str:
    """Another of Slurm's commands, from the same folder."""
    return os.path.join(os.path.dirname(program), name) if os.path.dirname(program) else name
