# Tests that the step runner knows every step of the ledger, and that what it includes and calls is there.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import STEPS
from ansible_collections.aidc.ops.plugins.module_utils._hardware.validation import CHECKS

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "remediation"
TASKS = {path.name: yaml.safe_load(path.read_text()) for path in (ROLE / "tasks").glob("*.yml")}
# What a playbook takes from the role by its own name.
ENTRIES = {"main.yml", "tickets_settle.yml", "validate_now.yml"}


def flat(tasks: Any) -> Iterator[dict[str, Any]]:
    """Every task, the ones within blocks too."""
    for task in tasks or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part))


def included(name: str) -> set[str]:
    found = [
        task["ansible.builtin.include_tasks"]["file"]
        for task in flat(TASKS[name])
        if "ansible.builtin.include_tasks" in task
    ]
    return {file for file in found if "{{" not in file}


def test_every_step_has_its_file_and_every_file_is_a_step() -> None:
    assert {name[5:-4] for name in TASKS if name.startswith("step_")} == set(STEPS)


def test_what_is_included_is_there_and_nothing_is_left_over() -> None:
    used = set().union(*map(included, TASKS))
    assert used <= set(TASKS)
    steps = {name for name in TASKS if name.startswith("step_")}
    assert set(TASKS) - used - steps == ENTRIES


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_module_of_ours_is_there(name: str) -> None:
    modules = {key for task in flat(TASKS[name]) for key in task if key.startswith("aidc.ops.")}
    missing = [module for module in modules if not (ROOT / "plugins" / "modules" / f"{module[9:]}.py").is_file()]
    assert missing == []


@pytest.mark.parametrize("step", STEPS)
def test_every_step_says_how_it_ended(step: str) -> None:
    def says(name: str) -> bool:
        texts = [task.get("ansible.builtin.set_fact", {}) for task in flat(TASKS[name])]
        return any("__remediation_result" in text for text in texts) or any(map(says, included(name)))

    assert says(f"step_{step}.yml")


def seconds(task: dict[str, Any], values: dict[str, int]) -> int:
    """The limit of a task; a sum of options and numbers as it stands in the file."""
    text = str(task["timeout"]).strip("{} ")
    return sum(int(values.get(part.strip(), part)) for part in text.split("+"))


def test_evidence_is_bounded_to_ten_minutes_by_the_limits_of_its_tasks() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    modules = ("ansible.builtin.", "aidc.ops.")
    free = ("set_fact", "include_tasks", "fail", "assert", "debug")
    total = 0
    for name in ("step_evidence.yml", "scheduler.yml", "bug_report.yml"):
        for task in flat(TASKS[name]):
            acting = [key for key in task if key.startswith(modules) and key.rpartition(".")[2] not in free]
            if acting:
                assert "timeout" in task, f"{name}: {task['name']}"
                total += seconds(task, defaults)
    assert total <= 600, "the deadline of the step"


def test_a_password_is_only_ever_an_option_of_a_module_that_hides_it() -> None:
    for name, tasks in TASKS.items():
        for task in flat(tasks):
            for key, value in task.items():
                if re.search(r"aidc_ops_bmc_password [|}]", str(value)) and key not in ("block", "rescue", "always"):
                    assert key in ("aidc.ops.bmc_info", "aidc.ops.bmc_reset", "aidc.ops.node_power"), f"{name}: {key}"


@pytest.mark.parametrize("name", sorted(TASKS))
def test_what_runs_on_the_control_node_for_a_bmc_uses_its_python(name: str) -> None:
    for task in flat(TASKS[name]):
        if any(key in task and "address" in (task[key] or {}) for key in ("aidc.ops.bmc_info", "aidc.ops.node_power")):
            assert task["delegate_to"] == "localhost"
            assert task["vars"]["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"


def test_the_checks_that_may_be_required_are_those_there_are() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert options["remediation_validate_require"]["choices"] == list(CHECKS)
    text = (ROOT / "plugins" / "filter" / "node_validation.yml").read_text()
    documented = re.search(r"choices: \[(gpus[^]]*)\]", text)
    assert documented is not None and documented.group(1).split(", ") == list(CHECKS)
