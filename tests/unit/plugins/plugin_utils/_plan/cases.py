# Small plans for the tests of their page: two racks, a node that is out, one that is kept, GPUs that are shared.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

MADE = 1_788_220_800.0


def node(name: str, rack: str = "r1", gpus: int = 4, **more: Any) -> dict[str, Any]:
    about = {"name": name, "rack": rack, "gpus": gpus, "gpu_model": "H100" if gpus else "", "cpu_milli": 64_000}
    return {**about, "memory_mib": 500_000, "idle_watts": 1000.0, "gpu_watts": 500.0, "price_per_hour": 10.0, **more}


def work(name: str, project: str, copies: int = 1, gpus: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "project": project,
        "copies": copies,
        "cpu_milli": 4000,
        "memory_mib": 8000,
        "gpus": gpus,
        **more,
    }


def problem(**more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "nodes": [
            node("gpu-1"),
            node("gpu-2", in_service=False),
            node("gpu-10", age_days=9.0),
            node("gpu-3", "r2", feed="north"),
            node("cpu-1", "r2", gpus=0),
        ],
        "workloads": [
            work("train", "vision", 2, 2, running_on=["gpu-1", "gpu-3"]),
            work("serve", "chat", 3, 1, gpu_share_milli=500, running_on=["gpu-3"]),
            work("crunch", "chat", 2, 0, running_on=["cpu-1"]),
            work("big", "vision", 1, 8),
        ],
        "feeds": [{"name": "north", "limit_watts": 4000.0}],
        "projects": [{"name": "vision", "quota_gpu_milli": 8000}, {"name": "chat"}],
        "offers": [{"name": "large", "price": 100.0, "node": node("x", gpus=8)}],
        **more,
    }


def placed(workload: str, name: str, *gpus: int, reason: str = "there is room") -> dict[str, Any]:
    return {"workload": workload, "node": name, "gpus": list(gpus), "reason": reason}


def plan(**more: Any) -> dict[str, Any]:
    """Both copies of train on gpu-1, two of serve on one GPU of gpu-3, crunch on cpu-1, big refused."""
    return {
        "strategy": "optimal",
        "note": "",
        "seconds": 1.5,
        "gap_percent": 0.5,
        "objectives": [{"name": "allocation", "value": 5.5}],
        "stages": [{"objective": "allocation", "value": 5.5, "bound": 5.52, "gap_percent": 0.5, "in_time": True}],
        "placements": [
            placed("train", "gpu-1", 0, 1, reason="it runs there now"),
            placed("train", "gpu-1", 2, 3),
            placed("serve", "gpu-3", 0),
            placed("serve", "gpu-3", 0),
            placed("serve", "gpu-3", 1),
            placed("crunch", "cpu-1"),
            placed("crunch", "cpu-1"),
        ],
        "refused": [
            {"workload": "big", "missing": 1, "reason": "needs 8 GPUs on one node", "nearest": "", "lacks": {}}
        ],
        **more,
    }


def limited() -> tuple[dict[str, Any], dict[str, Any]]:
    """The problem with a limit for what trains, and the plan with it: gpu-1 has one, gpu-3 keeps its own."""
    points = [
        {"limit_watts": limit, "seconds": seconds, "mean_watts": limit} for limit, seconds in ((400, 104), (600, 100))
    ]
    origin = "https://example.org/a/b/runs.csv: 500 steps"
    curve = {"model": "H100", "workload": "language_training", "origin": origin, "points": points}
    asked = problem(policy={"power_limits": {"slowdown_percent": 5}}, power_curves=[curve])
    for row in asked["nodes"]:
        row["gpu_idle_watts"] = 100.0
    asked["workloads"][0]["workload_class"] = "language_training"
    asked["workloads"][1]["workload_class"] = "chat"
    choice = {"gpu_model": "H100", "workload_class": "language_training", "limit_watts": 400.0, "performance": 0.9615}
    choice.update(energy=0.6933, origin=origin, reason="of those that are slower it takes the least energy")
    none = {"gpu_model": "H100", "workload_class": "chat", "limit_watts": None, "performance": 1.0, "energy": 1.0}
    none.update(origin="", reason="nobody measured 'H100' under 'chat'; known are V100 under chat")
    rows = [
        {"node": "gpu-1", "limit_watts": 400.0, "performance": 0.9615, "reason": "train lets it be no lower"},
        {"node": "gpu-3", "limit_watts": None, "performance": 1.0, "reason": "serve has no limit there"},
    ]
    return asked, plan(power_choices=[none, choice], power_limits=rows)


def forecast(name: str = "vision") -> dict[str, Any]:
    """Four hours of one project, above 5 from the third."""
    times = [MADE + 3600 * hour for hour in range(4)]
    low, middle, high = [1.0, 2.0, 3.0, 3.0], [2.0, 3.0, 4.0, 4.0], [3.0, 4.0, 6.0, 6.5]
    one = {
        "name": name,
        "project": name,
        "model": "mean",
        "forecast": middle,
        "quantiles": {"0.1": low, "0.5": middle, "0.9": high},
        "backtest": {"mase": 0.8, "mase_seasonal_naive": 1.0, "coverage_90": 0.91},
        "notes": [],
    }
    return {
        "times": times,
        "step_seconds": 3600.0,
        "series": [one],
        "projects": [one],
        "total": {**one, "name": "total", "model": "sum"},
        "notes": [],
    }
