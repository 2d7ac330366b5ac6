#!/usr/bin/env python3
# Which nodes the lab has: containers to make, and the inventory that names them. Pure.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the environment:

AIDC_OPS_LAB_GPU_NODES   how many GPU nodes (default 4; the story needs four)
AIDC_OPS_LAB_GPU_MODELS  their models, separated by commas; the first half of the nodes has the first one, and so on
AIDC_OPS_LAB_GPUS        GPUs in each (default 8; the story needs six)
AIDC_OPS_LAB_SUITE       Debian release of the nodes (default bookworm)

Run as a program it only says whether they are right, which `make demo` asks before it installs anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo_progress import DemoError

MODELS = "NVIDIA H100 80GB HBM3,NVIDIA A100-SXM4-80GB"
# What the simulator and molecule/shared/images.yml have.
KNOWN_MODELS = ("NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S")
SUITES = ("bookworm", "trixie")
CONTROLLER = "ctl"
STORAGE = "store1"
STORY_NODES = 4
# The last slot that the story breaks is the sixth.
STORY_GPUS = 6
# What inventories/lab expects of every GPU node.
USUAL_GPUS = 8
DISKS = ({"name": "vdb", "size": "1G"},)


@dataclass(frozen=True)
class Plan:
    """The lab that is asked for."""

    gpu_nodes: int
    models: tuple[str, ...]
    gpus: int
    suite: str

    @property
    def gpu_names(self) -> list[str]:
        """Names of the GPU nodes."""
        return [f"gpu{number}" for number in range(1, self.gpu_nodes + 1)]

    @property
    def names(self) -> list[str]:
        """Names of all nodes."""
        return [CONTROLLER, *self.gpu_names, STORAGE]

    def model(self, node: str) -> str:
        """GPU model of a GPU node."""
        return self.models[self.gpu_names.index(node) * len(self.models) // self.gpu_nodes]

    def rack(self, node: str) -> str:
        """Rack of a GPU node; the lab has two."""
        return f"r{1 + self.gpu_names.index(node) * 2 // self.gpu_nodes}"


def read(env: Mapping[str, str]) -> Plan:
    """Return the plan that the environment asks for; DemoError names the variable that is wrong."""

    def number(name: str, default: int, low: int, high: int) -> int:
        text = env.get(name) or str(default)
        if not text.isdecimal() or not low <= int(text) <= high:
            raise DemoError(f"{name} is a number from {low} to {high}, not {text!r}")
        return int(text)

    models = tuple(model.strip() for model in (env.get("AIDC_OPS_LAB_GPU_MODELS") or MODELS).split(","))
    if not set(models) <= set(KNOWN_MODELS):
        raise DemoError(
            f"AIDC_OPS_LAB_GPU_MODELS is a list of models separated by commas, not {','.join(models)!r}; "
            f"there are {', '.join(KNOWN_MODELS)}"
        )
    suite = env.get("AIDC_OPS_LAB_SUITE") or SUITES[0]
    if suite not in SUITES:
        raise DemoError(f"AIDC_OPS_LAB_SUITE is one of {', '.join(SUITES)}, not {suite!r}")
    return Plan(
        gpu_nodes=number("AIDC_OPS_LAB_GPU_NODES", STORY_NODES, STORY_NODES, 64),
        models=models,
        gpus=number("AIDC_OPS_LAB_GPUS", USUAL_GPUS, STORY_GPUS, 16),
        suite=suite,
    )


def platforms(plan: Plan, volumes: list[str]) -> list[dict[str, Any]]:
    """Return the platforms as molecule/shared/nodes.py takes them; volumes are those of the controller."""
    result: list[dict[str, Any]] = [
        {"name": CONTROLLER, "suite": plan.suite, "controller": True, "volumes": volumes},
    ]
    result += [
        {"name": name, "suite": plan.suite, "gpus": plan.gpus, "gpu_model": plan.model(name)} for name in plan.gpu_names
    ]
    result.append(
        {
            "name": STORAGE,
            "suite": plan.suite,
            "disks": list(DISKS),
            "capabilities": ["SYS_ADMIN", "DAC_READ_SEARCH"],
        }
    )
    return result


def inventory(plan: Plan) -> dict[str, Any]:
    """Return the content of inventories/lab/hosts.yml for this plan."""
    controller = {"hosts": {CONTROLLER: None}}
    # inventories/lab expects the usual number of every node; a host variable overrules that.
    expected = {} if plan.gpus == USUAL_GPUS else {"aidc_ops_expected_gpus": plan.gpus}
    return {
        "controller": controller,
        "slurm_controller": controller,
        "monitoring": controller,
        "gpu": {"hosts": {name: {"aidc_ops_rack": plan.rack(name), **expected} for name in plan.gpu_names}},
        "storage": {"hosts": {STORAGE: None}},
    }


if __name__ == "__main__":
    try:
        read(os.environ)
    except DemoError as error:
        sys.exit(str(error))
