# Small problems and plans for tests of applying them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "cpu_milli": 4000, "memory_mib": 1000, "gpus": 8, "gpu_model": "h100", **more}


def work(name: str, project: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "project": project, "gpus": 1, **more}


def problem(nodes: Sequence[Any], works: Sequence[Any], **more: Any) -> dict[str, Any]:
    """``nodes`` are names or rows."""
    rows = [node(one) if isinstance(one, str) else one for one in nodes]
    return {"schema_version": 1, "nodes": rows, "workloads": list(works), **more}


def plan(
    placements: Sequence[tuple[str, str]], refused: Mapping[str, str] | None = None, gpus: int = 1
) -> dict[str, Any]:
    """``placements`` are workload and node, each with so many GPUs of its own."""
    used: dict[str, int] = collections.defaultdict(int)
    rows = []
    for workload, name in placements:
        numbers = list(range(used[name], used[name] + gpus))
        used[name] += gpus
        rows.append({"workload": workload, "node": name, "gpus": numbers, "reason": "it fits"})
    return {
        "schema_version": 1,
        "placements": rows,
        "refused": [{"workload": name, "reason": why, "missing": 1} for name, why in (refused or {}).items()],
    }
