# A made fleet of 96 nodes in six racks with 60 workloads of four projects, for the pages of capacity plans.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: python plan_lab.py FOLDER writes FOLDER/problem.json and FOLDER/demand.csv, those of the guide of plans.

What runs was put where there was room, rack by rack, as months of single decisions do it.
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

RACKS = (
    ("a1", "H100", 8, "north"),
    ("a2", "H100", 8, "south"),
    ("b1", "A100", 8, "north"),
    ("b2", "A100", 8, "south"),
    ("c1", "L40S", 4, "north"),
    ("c2", "", 0, "south"),
)
PER_RACK = 16
# GPU memory in MiB, watts of the idle node, watts of a busy GPU, price of an hour.
MODELS = {
    "H100": (81559, 1900.0, 600.0, 38.0),
    "A100": (81920, 1300.0, 320.0, 19.0),
    "L40S": (46068, 620.0, 280.0, 6.5),
    "": (0, 210.0, 0.0, 1.1),
}
OUT = ("gpu-a107", "gpu-b213", "gpu-b214")
WEEKS = 6
BEGIN = 1_788_220_800
"""When the history of demand ends, in seconds since 1970."""


def nodes() -> list[dict[str, Any]]:
    """The fleet."""
    found = []
    for rack, model, gpus, feed in RACKS:
        memory, idle, busy, price = MODELS[model]
        for number in range(1, PER_RACK + 1):
            name = f"{'gpu' if gpus else 'cpu'}-{rack}{number:02}"
            found.append(
                {
                    "name": name,
                    "cpu_milli": 128_000 if gpus else 192_000,
                    "memory_mib": 2_000_000 if gpus == 8 else 750_000,
                    "gpus": gpus,
                    "gpu_model": model,
                    "gpu_memory_mib": memory,
                    "rack": rack,
                    "feed": feed,
                    "idle_watts": idle,
                    "gpu_watts": busy,
                    "core_watts": 2.5,
                    "price_per_hour": price,
                    "age_days": float({"H": 300, "A": 900, "L": 500, "": 700}[model[:1]] + number),
                    "in_service": name not in OUT,
                }
            )
    return found


def workloads() -> list[dict[str, Any]]:
    """What asks for it: gangs that train, services with parts of GPUs, work without GPUs."""
    draw = random.Random(11)  # the same fleet each time

    def one(name: str, project: str, copies: int, gpus: int, cores: int, gib: int, **more: Any) -> dict[str, Any]:
        about = {"name": name, "project": project, "copies": copies, "cpu_milli": cores * 1000}
        return {**about, "memory_mib": gib * 1024, "gpus": gpus, **more}

    # What trains for weeks stays where it is.
    stays = {"gang": True, "may_move": False}
    found = [
        one("language/pretrain-large", "language", 12, 8, 96, 1500, gpu_models=["H100"], priority=2, **stays),
        one("language/pretrain-code", "language", 8, 8, 96, 1500, gang=True, gpu_models=["H100"]),
        one("language/tune-chat", "language", 6, 8, 96, 1200, gang=True, gpu_models=["A100", "H100"]),
        one("language/finetune", "language", 12, 8, 96, 1500, gpu_models=["H100"]),
        one("vision/train-video", "vision", 6, 8, 80, 900, locality="rack", gpu_models=["A100"], **stays),
        one("vision/train-maps", "vision", 4, 8, 80, 900, gpu_models=["A100"], **stays),
    ]
    for number in range(1, 13):
        found.append(one(f"language/eval-{number:02}", "language", draw.randint(1, 4), draw.choice([1, 2]), 12, 120))
    for number in range(1, 13):
        found.append(
            one(f"vision/train-{number:02}", "vision", draw.randint(1, 3), draw.choice([2, 4]), 24, 200, **stays)
        )
    for number in range(1, 13):
        share = draw.choice([250, 500, 500])
        copies = draw.randint(4, 12)
        found.append(
            one(f"serving/model-{number:02}", "serving", copies, 1, 4, 24, gpu_share_milli=share, most_per_rack=8)
        )
    for number in range(1, 9):
        found.append(one(f"research/notebook-{number:02}", "research", draw.randint(2, 8), 1, 8, 64))
    for number in range(1, 11):
        found.append(one(f"research/simulate-{number:02}", "research", draw.randint(4, 16), 0, 30, 60))
    return found


def _room(fleet: list[dict[str, Any]]) -> dict[str, list[float]]:
    return {
        node["name"]: [node["cpu_milli"], node["memory_mib"], *([1000.0] * node["gpus"])]
        for node in fleet
        if node["in_service"]
    }


def run_some(fleet: list[dict[str, Any]], works: list[dict[str, Any]]) -> None:
    """Let most of it run: copies go in turn to whatever node has room."""
    draw = random.Random(5)
    room = _room(fleet)
    about = {node["name"]: node for node in fleet}
    # What trains for weeks began when there was room.
    for work in sorted(draw.sample(works, len(works)), key=lambda one: one.get("may_move", True) or not one["gpus"]):
        if work["name"] in ("language/finetune", "language/pretrain-code", "vision/train-03"):
            continue
        share = work.get("gpu_share_milli", 1000)
        places: list[str] = []
        order = draw.sample(list(room), len(room))
        for _copy in range(work["copies"]):
            for name in order:
                free, models = room[name], work.get("gpu_models")
                if (models and about[name]["gpu_model"] not in models) or (not work["gpus"] and about[name]["gpus"]):
                    continue
                if work.get("locality") == "rack" and places and about[name]["rack"] != about[places[0]]["rack"]:
                    continue
                if sum(about[one]["rack"] == about[name]["rack"] for one in places) >= work.get("most_per_rack", 99):
                    continue
                cells = [at for at in range(2, len(free)) if free[at] >= share][: work["gpus"]]
                if free[0] < work["cpu_milli"] or free[1] < work["memory_mib"] or len(cells) < work["gpus"]:
                    continue
                free[0] -= work["cpu_milli"]
                free[1] -= work["memory_mib"]
                for at in cells:
                    free[at] -= share
                places.append(name)
                order.append(order.pop(order.index(name)))  # the next copy elsewhere
                break
        if len(places) == work["copies"] or not work.get("gang"):
            work["running_on"] = places
        else:
            for name in places:  # a gang starts whole or not at all
                room[name][0] += work["cpu_milli"]
                room[name][1] += work["memory_mib"]
                room[name][2:] = [1000.0] * about[name]["gpus"]


def problem() -> dict[str, Any]:
    """All of it."""
    fleet, works = nodes(), workloads()
    run_some(fleet, works)
    offered = {"cpu_milli": 128_000, "memory_mib": 2_000_000, "gpus": 8, "gpu_model": "H100", "gpu_memory_mib": 81559}
    return {
        "schema_version": 1,
        "nodes": fleet,
        "workloads": works,
        "projects": [
            {"name": "language", "weight": 2.0},
            {"name": "vision"},
            {"name": "serving"},
            {"name": "research", "quota_gpu_milli": 36_000},
        ],
        "feeds": [{"name": "north", "limit_watts": 190_000.0}, {"name": "south", "limit_watts": 170_000.0}],
        "offers": [{"name": "8 x H100", "price": 265_000.0, "node": {"name": "h100", "rack": "d1", **offered}}],
        "policy": {"objectives": ["priority", "allocation", "energy"], "reserve_per_rack": 1},
    }


def demand(begin: int = BEGIN) -> str:
    """GPUs in use by project, an hour a line, for six weeks up to *begin* (seconds since 1970)."""
    draw = random.Random(3)
    lines = ["time,project,gpus"]
    for hour in range(-WEEKS * 168, 0):
        moment = begin + hour * 3600
        day, weekend = math.sin((moment % 86400) / 86400 * 2 * math.pi - 2), (moment // 86400 + 3) % 7 >= 5
        grown = 1 + 0.16 * (hour / 168 + WEEKS) / WEEKS
        for project, level, swing in (
            ("language", 168, 8),
            ("vision", 100, 18),
            ("serving", 34, 9),
            ("research", 26, 9),
        ):
            value = level * grown + swing * (0.3 if weekend else 1.0) * day + draw.gauss(0, level * 0.02)
            lines.append(f"{moment},{project},{max(0.0, value):.1f}")
    return "\n".join(lines) + "\n"


def main(folder: str) -> None:
    """Write both files."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "problem.json").write_text(json.dumps(problem(), indent=1) + "\n", encoding="utf-8")
    (Path(folder) / "demand.csv").write_text(demand(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
