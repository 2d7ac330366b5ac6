# One change, handed to the scheduler that it is for.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.kube_requests import resize
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import Change
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmInputs


def in_slurm(change: Change, slurm: SlurmInputs) -> bool:
    """Make a change in Slurm; False if what it is about is gone."""
    kind, first = change.kind, change.names[0]
    if kind in ("power_up", "power_down"):
        slurm.power(change.names, kind == "power_up")
    elif kind == "weight":
        slurm.weigh(change.names, int(change.value))
    elif kind in ("feature", "unfeature"):
        slurm.feature(change.names, change.value, kind == "feature")
    elif kind == "share":
        slurm.share(first, int(change.value))
    elif kind in ("raise_nice", "lower_nice"):
        return slurm.nice(first, int(change.value), change.comment)
    elif kind in ("raise_limit", "lower_limit"):
        slurm.limit(first, int(change.value))
    elif kind in ("raise_qos_limit", "lower_qos_limit"):
        slurm.limit_qos(first, int(change.value))
    elif kind in ("widen_partition", "narrow_partition"):
        slurm.move(change.value, change.names, kind == "widen_partition")
    elif kind in ("narrow_reservation", "reservation"):
        slurm.reserve(change.thing.partition(" ")[2], change.value, change.names)
    elif kind == "end_reservation":
        slurm.end_reservation(first)
    else:
        on_job: dict[str, t.Callable[[str, str], bool]] = {
            "hold": slurm.hold,
            "release": slurm.release,
            "forget": slurm.comment,
            "requeue": slurm.requeue,
        }
        return on_job[kind](first, change.value)
    return True


def in_kubernetes(change: Change, kubernetes: KubeInputs) -> bool:
    """Make a change in Kubernetes; False if what it is about is gone."""
    if change.kind in ("scale_up", "scale_down"):
        return kubernetes.scale(change.names[0], int(change.value))
    if change.kind in ("raise_requests", "lower_requests"):
        return resize(change, kubernetes.api)
    if change.kind == "priority":
        return kubernetes.prioritise(change.names[0], change.value)
    if change.kind in ("taint", "untaint"):
        kubernetes.taint(change.names, change.value)
    else:
        kubernetes.label(change.names, change.value)
    return True
