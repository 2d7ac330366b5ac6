# What the tests of schedules share: a small fleet, workloads, and a schedule by name.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import read_problem
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import HOUR, Timed, timed
from ansible_collections.aidc.ops.plugins.module_utils._schedule.schedule import checked

NODE = {"cpu_milli": 64000, "memory_mib": 512000, "gpus": 4, "gpu_model": "H100"}


def nodes(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"n{number}", **NODE, **more} for number in range(1, count + 1)]


def job(name: str, hours: float, gpus: int = 4, **more: Any) -> dict[str, Any]:
    return {"name": name, "duration_hours": hours, "gpus": gpus, **more}


def setting(
    fleet: Sequence[dict[str, Any]],
    works: Sequence[dict[str, Any]],
    arrivals: Mapping[str, float] | None = None,
    windows: Sequence[tuple[str, float, float]] = (),
    **more: Any,
) -> Timed:
    """Arrivals and windows in hours from now."""
    problem = read_problem({"schema_version": 1, "nodes": list(fleet), "workloads": list(works), **more})
    return timed(
        problem,
        {name: hours * HOUR for name, hours in (arrivals or {}).items()},
        [(node, start * HOUR, end * HOUR) for node, start, end in windows],
        0.0,
    )


def starts(case: Timed, order: str = "fifo") -> dict[str, Any]:
    """Start in hours by workload; a list where there are several copies."""
    found: dict[str, list[float]] = {}
    for run in checked(case, order).runs:
        found.setdefault(run.workload, []).append(run.start / HOUR)
    return {name: times[0] if len(times) == 1 else sorted(times) for name, times in found.items()}
