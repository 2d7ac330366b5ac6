#!/usr/bin/python
# Module: tests the GPUs of a node with DCGM's diagnosis, or by what the driver tells where there is no DCGM.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_diag
version_added: 0.1.0
short_description: Test the GPUs of a node
description:
  - Runs C(dcgmi diag) at a level, within a time limit, and reports each test of each GPU as V(pass), V(fail), V(warn)
    or V(skip). The formats of DCGM 3 and 4 are understood.
  - Without dcgmi it reports what the driver tells instead, and RV(method) says so. That finds what the driver knows
    already; it puts no load on a GPU.
  - A test that fails is a result, not a failure of this module. What it cannot run or understand is one, and never
    counts as passed.
  - From level 2 on the tests load the GPUs, so the node must be out of service.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) no test is run; RV(method) and RV(command) say which would be. The driver is not asked.
  diff_mode:
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    support: full
requirements:
  - DCGM with its host engine running, or nvidia-ml-py, on the node
options:
  level:
    description: Level of the diagnosis. 1 takes seconds, 2 about two minutes, 3 half an hour, 4 hours.
    type: int
    choices: [1, 2, 3, 4]
    default: 1
  gpus:
    description: Numbers of the GPUs to test, as DCGM counts them. By default all.
    type: list
    elements: int
    default: []
  method:
    description: V(auto) takes DCGM if dcgmi is there. V(dcgm) and V(nvml) allow one way only.
    type: str
    choices: [auto, dcgm, nvml]
    default: auto
  expected_gpus:
    description: How many GPUs there should be, for the tests without DCGM. By default at least one.
    type: int
  timeout:
    description:
      - Seconds after which the diagnosis is stopped, with all that it started.
      - By default 120, 900, 3600 and 21600 for the levels 1 to 4.
    type: int
seealso:
  - module: aidc.ops.bandwidth_check
  - module: aidc.ops.gpu_info
"""

EXAMPLES = r"""
- name: Test the GPUs before the node returns
  aidc.ops.gpu_diag:
    level: 2
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true
  register: diag

- name: Stop unless all is well
  ansible.builtin.assert:
    that: diag.passed
    fail_msg: "{{ diag.results | selectattr('result', 'eq', 'fail') | map(attribute='message') | join(', ') }}"
"""

RETURN = r"""
method:
  description: V(dcgm), or V(nvml) where the driver was asked.
  returned: always
  type: str
command:
  description: The command that ran; empty with RV(method=nvml).
  returned: always
  type: list
  elements: str
passed:
  description: Whether at least one test ran and none failed. A warning does not count as failed.
  returned: always
  type: bool
result:
  description: The worst result, V(fail), V(warn), V(pass) or V(skip).
  returned: always
  type: str
results:
  description: What each test found.
  returned: always
  type: list
  elements: dict
  contains:
    test: {description: Name of the test., type: str, sample: memory}
    category: {description: 'Category in DCGM, V(driver) without DCGM.', type: str}
    gpu: {description: Number of the GPU; null for the node as a whole., type: int}
    result: {description: 'V(pass), V(fail), V(warn) or V(skip).', type: str}
    message: {description: What was said about it., type: str}
    error_id: {description: Number of the error in DCGM 4., type: int}
timed_out:
  description: Whether the diagnosis was stopped because its time was up.
  returned: always
  type: bool
dcgm_version:
  description: Version of DCGM.
  returned: when DCGM told it
  type: str
driver_version:
  description: Version of the driver.
  returned: when it is known
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import ReadError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import read_this_node
from ansible_collections.aidc.ops.plugins.module_utils._repair.dcgm_diag import DiagError, parse_diag, worst
from ansible_collections.aidc.ops.plugins.module_utils._repair.group_runner import TimeUp, run_group
from ansible_collections.aidc.ops.plugins.module_utils._repair.nvml_diag import nvml_results

_SECONDS = {1: 120, 2: 900, 3: 3600, 4: 21600}
_READ_SECONDS = 60
_MAX_RESULTS = 5000


def diag_command(program: str, level: int, gpus: t.Sequence[int]) -> list[str]:
    command = [program, "diag", "-r", str(level), "-j"]
    return command + (["-i", ",".join(map(str, gpus))] if gpus else [])


def with_dcgm(command: t.Sequence[str], timeout: float) -> dict[str, t.Any]:
    """Return what the diagnosis found; CommandError or DiagError if it could not be run or read."""
    try:
        done = run_group(command, timeout)
    except TimeUp as exc:
        return {"results": [], "timed_out": True, "problem": str(exc)}
    try:
        found = parse_diag(done.stdout)
    except DiagError as exc:
        said = done.stderr.strip()[-500:]
        raise DiagError(f"{exc} (exit status {done.rc}){': ' + said if said else ''}") from exc
    # It ends with an error status for findings, and these are in the results; an error without one is told.
    unexplained = done.rc != 0 and worst(found.results) in ("pass", "skip")
    return {
        "results": found.results[:_MAX_RESULTS],
        "timed_out": False,
        "problem": f"dcgmi ended with exit status {done.rc} although no test failed" if unexplained else None,
        "dcgm_version": found.version,
        "driver_version": found.driver_version,
    }


def with_nvml(expected_gpus: int | None) -> dict[str, t.Any]:
    """Return what the driver tells; ReadError if it hangs or is broken."""
    answer = read_this_node("/", _READ_SECONDS)
    return {
        "results": nvml_results(answer, expected_gpus),
        "timed_out": False,
        "problem": None,
        "driver_version": answer.get("driver_version"),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "level": {"type": "int", "choices": sorted(_SECONDS), "default": 1},
            "gpus": {"type": "list", "elements": "int", "default": []},
            "method": {"type": "str", "choices": ["auto", "dcgm", "nvml"], "default": "auto"},
            "expected_gpus": {"type": "int"},
            "timeout": {"type": "int"},
        },
        supports_check_mode=True,
    )
    params = module.params
    timeout = _SECONDS[params["level"]] if params["timeout"] is None else params["timeout"]
    program = None if params["method"] == "nvml" else module.get_bin_path("dcgmi", required=params["method"] == "dcgm")
    command = diag_command(program, params["level"], params["gpus"]) if program else []
    answer: dict[str, t.Any] = {"changed": False, "method": "dcgm" if program else "nvml", "command": command}
    answer.update(passed=False, result="skip", results=[], timed_out=False)
    if timeout < 1 or any(gpu < 0 for gpu in params["gpus"]) or (params["expected_gpus"] or 0) < 0:
        module.fail_json(msg="timeout must be at least 1, and gpus and expected_gpus cannot be negative", **answer)
    if module.check_mode:
        module.exit_json(**answer)
    try:
        found = with_dcgm(command, timeout) if program else with_nvml(params["expected_gpus"])
    except (CommandError, DiagError, ReadError) as exc:
        module.fail_json(msg=f"the GPUs were not tested: {exc}", **answer)
    problem = found.pop("problem")
    answer.update(found, result=worst(found["results"]))
    answer["passed"] = problem is None and answer["result"] in ("pass", "warn")
    if problem is not None:
        module.fail_json(msg=problem, **answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
