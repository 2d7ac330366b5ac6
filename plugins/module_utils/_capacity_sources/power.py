# What nodes and their GPUs draw, as Prometheus has measured it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power of a node that does nothing is the least that its BMC has measured over some time: too much where the node
was never idle, so a plan rather switches off too little. What a busy GPU adds is the 95th percentile of its power less
the 5th, on average over the GPUs of a model: a GPU that was never busy, or always, makes it too small. The 5th alone is
what an idle GPU draws.

The series are those of the recording rules of the role aidc.ops.prometheus.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.gpu_words import word
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Sample

_IDLE = 'min_over_time(instance:aidc_power_watts:sum{{source="bmc"}}[{span}s])'
_GPU = (
    "avg by (modelName) (quantile_over_time(0.95, gpu:aidc_gpu_power_watts:avg[{span}s])"
    " - quantile_over_time(0.05, gpu:aidc_gpu_power_watts:avg[{span}s]))"
)
_GPU_IDLE = "avg by (modelName) (quantile_over_time(0.05, gpu:aidc_gpu_power_watts:avg[{span}s]))"


class Asks(Protocol):
    """What answers: the client of Prometheus."""

    def samples(self, expr: str, time: float | None = None) -> list[Sample]: ...


class Measured(NamedTuple):
    """Watts of idle nodes by name; of what a busy GPU adds, and of an idle one, by model."""

    idle: dict[str, float]
    gpu: dict[str, float]
    gpu_idle: dict[str, float]


def measure(client: Asks, seconds: float) -> Measured:
    """What was measured in so many seconds until now. Raises PrometheusError."""
    span = max(1, round(seconds))
    idle = {
        _host(sample.labels.get("instance", "")): sample.value
        for sample in _good(client.samples(_IDLE.format(span=span)))
    }
    return Measured(idle, _by_model(client, _GPU.format(span=span)), _by_model(client, _GPU_IDLE.format(span=span)))


def _by_model(client: Asks, expr: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for sample in _good(client.samples(expr)):
        found.setdefault(word(sample.labels.get("modelName", "")), []).append(sample.value)
    return {model: statistics.fmean(values) for model, values in found.items()}


def add_power(rows: Mapping[str, dict[str, Any]], measured: Measured, remarks: Remarks) -> None:
    """Put the watts into the rows. A node without a measurement has the median of those with the same GPUs."""
    like: dict[tuple[Any, ...], list[float]] = {}
    for name, row in rows.items():
        if name in measured.idle:
            like.setdefault(_kind(row), []).append(measured.idle[name])
    for name, row in rows.items():
        known = like.get(_kind(row))
        if name in measured.idle:
            row["idle_watts"] = measured.idle[name]
        elif known:
            row["idle_watts"] = statistics.median(known)
            remarks.add("have no power reading of their own; that of like nodes was taken", "node", name)
        else:
            remarks.add("have no power reading, nor has a like node; they count as drawing nothing", "node", name)
        if row.get("gpus"):
            watts = measured.gpu.get(row["gpu_model"])
            if watts is None:
                remarks.add(
                    "have GPUs of a model whose power nobody measures; they count as drawing nothing", "node", name
                )
            else:
                row["gpu_watts"] = watts
            if row["gpu_model"] in measured.gpu_idle:
                row["gpu_idle_watts"] = measured.gpu_idle[row["gpu_model"]]


def _kind(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row.get("gpu_model", ""), row.get("gpus", 0), row["cpu_milli"]


def _host(instance: str) -> str:
    """The name of a node of C(gpu1:9100) or C(gpu1)."""
    host, colon, port = instance.rpartition(":")
    return host if colon and port.isdigit() else instance


def _good(samples: Iterable[Sample]) -> list[Sample]:
    return [sample for sample in samples if math.isfinite(sample.value) and sample.value >= 0]
