# Tests of tools/demo_plan.py: counts and models, and that the checked-in inventory is what the defaults give.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from runpy import run_path

import demo_plan
import demo_story
import pytest
import spec
import yaml
from demo_progress import DemoError

ROOT = Path(__file__).resolve().parents[4]


def test_the_inventory_of_the_lab_is_that_of_the_defaults() -> None:
    assert yaml.safe_load((ROOT / "inventories/lab/hosts.yml").read_text()) == demo_plan.inventory(demo_plan.read({}))


def test_the_default_lab_has_two_models_and_two_racks() -> None:
    plan = demo_plan.read({})
    assert plan.names == ["ctl", "gpu1", "gpu2", "gpu3", "gpu4", "store1"]
    assert [plan.model(name).split()[1].split("-")[0] for name in plan.gpu_names] == ["H100", "H100", "A100", "A100"]
    assert [plan.rack(name) for name in plan.gpu_names] == ["r1", "r1", "r2", "r2"]
    assert len(spec.nodes(demo_plan.platforms(plan, []))) == 6


def test_counts_and_models_are_variables() -> None:
    models = "NVIDIA H200, NVIDIA L40S"
    plan = demo_plan.read({"AIDC_OPS_LAB_GPU_NODES": "5", "AIDC_OPS_LAB_GPU_MODELS": models, "AIDC_OPS_LAB_GPUS": "6"})
    assert [plan.model(name) for name in plan.gpu_names] == ["NVIDIA H200"] * 3 + ["NVIDIA L40S"] * 2
    assert all(item["gpus"] == 6 for item in demo_plan.platforms(plan, []) if "gpus" in item)


def test_the_inventory_expects_as_many_gpus_as_there_are() -> None:
    usual = yaml.safe_load((ROOT / "inventories/lab/group_vars/gpu.yml").read_text())["aidc_ops_expected_gpus"]
    assert demo_plan.read({}).gpus == usual
    hosts = demo_plan.inventory(demo_plan.read({"AIDC_OPS_LAB_GPUS": "16"}))["gpu"]["hosts"]
    assert [host["aidc_ops_expected_gpus"] for host in hosts.values()] == [16] * 4


def test_every_slot_that_the_story_breaks_is_there() -> None:
    assert max(demo_story.LOST_SLOT, demo_story.WORN_SLOT) < demo_plan.STORY_GPUS


@pytest.mark.parametrize(
    "env",
    [
        {"AIDC_OPS_LAB_GPU_NODES": "3"},
        {"AIDC_OPS_LAB_GPU_NODES": "many"},
        {"AIDC_OPS_LAB_GPU_NODES": "-4"},
        {"AIDC_OPS_LAB_GPUS": "5"},
        {"AIDC_OPS_LAB_GPUS": "17"},
        {"AIDC_OPS_LAB_GPU_MODELS": "NVIDIA H200,,NVIDIA L40S"},
        {"AIDC_OPS_LAB_GPU_MODELS": "H200"},
        {"AIDC_OPS_LAB_SUITE": "buster"},
    ],
)
def test_a_wrong_variable_is_named(env: dict[str, str]) -> None:
    with pytest.raises(DemoError, match=next(iter(env))):
        demo_plan.read(env)


def test_what_may_be_asked_for_is_what_there_is() -> None:
    assert set(yaml.safe_load((ROOT / "molecule/shared/images.yml").read_text())["suites"]) == set(demo_plan.SUITES)
    simulator = ROOT / "molecule/shared/gpusim/bin/gpusim"
    known = run_path(str(simulator))["MODELS"]
    assert set(known) == set(demo_plan.KNOWN_MODELS)


def test_the_program_says_what_is_wrong_before_anything_is_installed() -> None:
    program = [sys.executable, str(ROOT / "tools/demo_plan.py")]
    wrong = subprocess.run(program, env={"AIDC_OPS_LAB_GPUS": "17"}, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (1, "AIDC_OPS_LAB_GPUS is a number from 6 to 16, not '17'\n")
    assert subprocess.run(program, env={}, check=False).returncode == 0
