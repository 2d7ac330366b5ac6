# Tests of inventories/: they load, name what the playbook needs, and set only variables that roles know.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
INVENTORIES = ("lab", "example")
# Variables of the inventories themselves, and those of the whole collection.
OWN = ("ansible_", "aidc_ops_", "lab_", "site_")


def load(name: str) -> dict[str, Any]:
    program = Path(sys.executable).parent / "ansible-inventory"
    done = subprocess.run(
        [str(program), "-i", str(ROOT / "inventories" / name), "--list"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def groups_of_the_playbook() -> set[str]:
    plays = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())
    return {group for play in plays for group in play["hosts"].split(":")} - {"all"}


def role_options() -> set[str]:
    options: set[str] = set()
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            options |= set(entry.get("options") or {})
    return options


@pytest.mark.parametrize("name", INVENTORIES)
def test_it_has_every_group_of_the_playbook(name: str) -> None:
    data = load(name)
    assert groups_of_the_playbook() <= set(data)
    assert data["gpu"]["hosts"]


@pytest.mark.parametrize("name", INVENTORIES)
def test_it_sets_only_what_a_role_knows(name: str) -> None:
    known = role_options()
    for path in sorted((ROOT / "inventories" / name / "group_vars").rglob("*.yml")):
        unknown = [key for key in yaml.safe_load(path.read_text()) if not key.startswith(OWN) and key not in known]
        assert not unknown, f"{path.name}: {unknown}"


def test_the_example_does_not_act_by_itself() -> None:
    data = load("example")
    assert all("remediation_controller_gate" not in values for values in data["_meta"]["hostvars"].values())


def test_the_lab_acts() -> None:
    modes = load("lab")["_meta"]["hostvars"]["ctl"]["remediation_controller_gate"]["modes"]
    # Repairing a file system can lose data: a person says yes.
    assert {action for action, mode in modes.items() if mode != "act"} == {"fsck"}
