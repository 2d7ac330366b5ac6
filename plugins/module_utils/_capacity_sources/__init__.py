# Where the planner's input comes from: schedulers, hardware records, measurements and people, as rows of a problem.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers are pure: they get what a scheduler answered and return an EngineState.

C(slurm.read(nodes, jobs, accounting, now)) takes texts: the JSON of C(scontrol show nodes), that of C(squeue), and what
sacct prints ("" for none). C(kubernetes.read(nodes, pods, workloads, now)) takes the objects of the API server;
C(workloads) is kind in lower case -> objects. C(live.read_state(options, now)) asks the scheduler that the settings
name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EngineState:
    """What a scheduler holds now.

    ``nodes`` and ``workloads`` are rows of a capacity problem, with those keys only that the scheduler knows. Sorted by
    name. GPU models are short words such as C(h100), the same whichever scheduler says it.

    ``handles`` is how a workload is reached, by the name of its row: C(kind) (job, deployment, statefulset, k8sjob,
    pod), C(id) (text; of Slurm only), C(name), C(namespace), C(account), C(partition), C(state) (running, pending) and
    C(replicas) (copies that it asks for). Of Slurm also C(user), C(can_requeue), C(reservation), C(features).

    ``node_handles`` is what else is known of each node. Of Slurm C(states), C(reason), C(partitions), C(features),
    C(weight), C(reservation), C(gres); of Kubernetes C(states), C(reason), C(labels), C(taints).

    ``notes`` say what was unknown, assumed or left out, a sentence each.
    """

    engine: str
    nodes: list[dict[str, Any]]
    workloads: list[dict[str, Any]]
    handles: dict[str, dict[str, Any]]
    node_handles: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
