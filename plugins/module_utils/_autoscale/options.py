# Reads the limits of a service from the options of a module, and the service from what its engine shows; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import PER_REPLICA, TOTAL, Limits, Service
from ansible_collections.aidc.ops.plugins.module_utils._errors import AutoscaleError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_duration
from ansible_collections.aidc.ops.plugins.module_utils._resize import containers, kube

# Arguments of a module; its documentation has to agree.
ARGUMENTS: t.Dict[str, t.Dict[str, t.Any]] = {  # noqa: UP006 - evaluated, on Python 3.8 too
    "target": {"type": "float", "required": True},
    "measure": {"type": "str", "choices": [TOTAL, PER_REPLICA], "default": TOTAL},
    "minimum": {"type": "int", "default": 1},
    "maximum": {"type": "int", "required": True},
    "tolerance": {"type": "float", "default": 0.1},
    "stabilisation": {"type": "str", "default": "5m"},
    "cooldown_up": {"type": "str", "default": "1m"},
    "cooldown_down": {"type": "str", "default": "5m"},
    "step_up": {"type": "int"},
    "step_down": {"type": "int", "default": 1},
    "max_age": {"type": "str", "default": "2m"},
    "startup": {"type": "str", "default": "0"},
    "max_gpus": {"type": "float"},
    "price": {"type": "float"},
    "max_price": {"type": "float"},
}
_DURATIONS = ("stabilisation", "cooldown_up", "cooldown_down", "max_age", "startup")


def read_limits(params: t.Mapping[str, t.Any]) -> Limits:
    """The limits. AutoscaleError names the option."""
    values: dict[str, t.Any] = {
        name: _seconds(params[name], name) if name in _DURATIONS else params[name] for name in ARGUMENTS
    }
    return Limits(**values)


def read_service(thing: t.Mapping[str, t.Any], gpus_per_replica: float | None) -> Service:
    """The service that a deployment or stateful set is. ``gpus_per_replica`` None: as its containers say."""
    if gpus_per_replica is not None and not (math.isfinite(gpus_per_replica) and gpus_per_replica >= 0):
        raise AutoscaleError(f"gpus_per_replica is {gpus_per_replica}; it has to be a number from 0 on")
    notes = kube.notes_on(thing)
    times = {key: _moment(notes[key]) for key in (kube.SCALED_UP, kube.SCALED_DOWN) if key in notes}
    return Service(
        replicas=kube.replicas(thing),
        ready=kube.ready(thing),
        gpus=containers.gpus(kube.template(thing)) if gpus_per_replica is None else gpus_per_replica,
        scaled_up_at=times.get(kube.SCALED_UP),
        scaled_down_at=times.get(kube.SCALED_DOWN),
        unreadable=", ".join(key for key, moment in times.items() if moment is None),
    )


def _seconds(given: str, name: str) -> float:
    if given.strip() in ("0", "0s", "0m"):
        return 0.0
    try:
        return read_duration(given)
    except ValueError as error:
        raise AutoscaleError(f"{name}: {error}") from error


def _moment(text: str) -> float | None:
    """Seconds since 1970; None for what is none. Anybody with rights on the workload can write it."""
    try:
        moment = float(text)
    except ValueError:
        return None
    return moment if math.isfinite(moment) and moment >= 0 else None
