#!/usr/bin/python
# Module: measures the bandwidth between the GPUs of a node and compares it with the mark of their model.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bandwidth_check
version_added: 0.1.0
short_description: Measure the bandwidth of the GPUs of a node and compare it with what is expected
description:
  - Runs C(all_reduce_perf) of nccl-tests or rccl-tests, or C(nvbandwidth), within a time limit, and compares the bus
    bandwidth or the slowest copy with the mark for the GPU model.
  - The marks are figures that others published, with their source, kept in a versioned table in the collection.
    O(thresholds) replaces them by those of the site.
  - A node that misses its mark is a result, not a failure of this module. A model that has no mark is V(warn). What
    cannot be run or understood is a failure, and never counts as passed.
  - It loads the GPUs, so the node must be out of service.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) nothing is measured; RV(command) and RV(measurements[].mark) say what would be.
  diff_mode:
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    support: full
requirements:
  - nccl-tests, rccl-tests or nvbandwidth on the node
  - nvidia-ml-py on the node, or O(model) and O(gpus)
options:
  tool:
    description: Which program measures.
    type: str
    choices: [nccl, rccl, nvbandwidth]
    default: nccl
  path:
    description: The program. By default C(all_reduce_perf) or C(nvbandwidth) is looked for.
    type: path
  model:
    description: Name of the GPU model. By default the driver is asked.
    type: str
  gpus:
    description: How many GPUs take part. By default all that the driver shows.
    type: int
  platform:
    description:
      - Whose marks are taken, such as V(oci) or V(azure). By default the lowest one of the model, since the same GPU
        has other marks elsewhere.
    type: str
  thresholds:
    description: Marks of the site, in place of those of the collection.
    type: list
    elements: dict
    default: []
    suboptions:
      test:
        description: What it is for.
        type: str
        required: true
        choices: [all_reduce, host_to_device, device_to_host, device_to_device]
      value:
        description: Least bandwidth in gigabytes (10^9 bytes) per second.
        type: float
        required: true
      source:
        description: Where the figure comes from.
        type: str
        required: true
  min_size:
    description:
      - Size of the smallest message of a collective, such as V(8G).
      - By default that for which the mark was set, else V(1G).
    type: str
  max_size:
    description: Size of the largest message. By default that for which the mark was set, else V(8G).
    type: str
  timeout:
    description: Seconds after which the measurement is stopped, with all that it started.
    type: int
    default: 300
  environment:
    description: More environment variables for the program, such as those of NCCL.
    type: dict
    default: {}
seealso:
  - module: aidc.ops.gpu_diag
"""

EXAMPLES = r"""
- name: Measure the all-reduce over all GPUs of the node
  aidc.ops.bandwidth_check:
    path: /opt/nccl-tests/build/all_reduce_perf
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  register: bandwidth

- name: Hold it against a mark of our own
  aidc.ops.bandwidth_check:
    path: /opt/nccl-tests/build/all_reduce_perf
    model: NVIDIA H100 80GB HBM3
    gpus: 8
    thresholds:
      - test: all_reduce
        value: 470
        source: median of our own nodes less 3 %
"""

RETURN = r"""
passed:
  description: Whether nothing missed its mark. A model without a mark does not miss it.
  returned: always
  type: bool
result:
  description: The worst result, V(fail), V(warn), V(pass) or V(skip).
  returned: always
  type: str
measurements:
  description: What was measured. In check mode, what would be, without values.
  returned: always
  type: list
  elements: dict
  contains:
    test: {description: 'V(all_reduce), V(host_to_device), V(device_to_host) or V(device_to_device).', type: str}
    result: {description: 'V(pass), V(fail), V(warn) or V(skip).', type: str}
    value: {description: Gigabytes per second; null if it was not measured., type: float}
    mark: {description: What it is compared with; null if there is no mark., type: float}
    source: {description: Where the mark comes from., type: str}
    platform: {description: 'Platform of the mark, V(site) for one of the options.', type: str}
    message: {description: What is to be said about it., type: str}
marks_version:
  description: Version of the collection's table of marks.
  returned: always
  type: int
model:
  description: Name of the GPU model.
  returned: when it is known
  type: str
gpus:
  description: How many GPUs took part.
  returned: always
  type: int
command:
  description: The command that ran. In check mode, that would.
  returned: always
  type: list
  elements: str
timed_out:
  description: Whether the measurement was stopped because its time was up.
  returned: always
  type: bool
"""

import math
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_errors import ReadError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import read_this_node
from ansible_collections.aidc.ops.plugins.module_utils._repair.bandwidth_marks import (
    ALL_REDUCE,
    DEVICE_TO_DEVICE,
    DEVICE_TO_HOST,
    HOST_TO_DEVICE,
    VERSION,
    Mark,
    find_mark,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair.bandwidth_text import (
    NVBANDWIDTH_TESTS,
    TextError,
    parse_collective,
    parse_nvbandwidth,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair.dcgm_diag import worst
from ansible_collections.aidc.ops.plugins.module_utils._repair.group_runner import TimeUp, run_group

TESTS = (ALL_REDUCE, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE)
_PROGRAMS = {"nccl": "all_reduce_perf", "rccl": "all_reduce_perf", "nvbandwidth": "nvbandwidth"}
_SIZE = re.compile(r"^[1-9][0-9]{0,11}[KMG]?\Z")
_READ_SECONDS = 60
_MAX_GPUS = 1024

Measurement = t.Dict[str, t.Any]


class Wish(t.NamedTuple):
    """What is measured, on what, and against which marks."""

    tool: str
    program: str
    model: str | None
    gpus: int
    marks: t.Mapping[str, Mark | None]
    min_size: str | None
    max_size: str | None

    def command(self) -> list[str]:
        """The sizes are those for which the mark was set: an average over others is another figure."""
        if self.tool == "nvbandwidth":
            return [self.program, "-j", *(word for test in NVBANDWIDTH_TESTS for word in ("-t", test))]
        mark = self.marks.get(ALL_REDUCE)
        first, last = (mark.sizes if mark is not None and mark.sizes else "1G 8G").split()
        sizes = ["-b", self.min_size or first, "-e", self.max_size or last, "-f", "2"]
        return [self.program, *sizes, "-g", str(self.gpus), "-n", "20", "-c", "1"]

    def tests(self) -> t.Sequence[str]:
        return (ALL_REDUCE,) if self.tool != "nvbandwidth" else tuple(NVBANDWIDTH_TESTS.values())


def measurement(test: str, mark: Mark | None, value: float | None, message: str = "") -> Measurement:
    """Return a value beside its mark, judged; without a value nothing was measured, without a mark nothing is known."""
    if value is None:
        result = "skip"
    elif mark is None:
        result, message = "warn", message or "there is no mark for this GPU model; set one with thresholds"
    else:
        result = "pass" if value >= mark.value else "fail"
        message = message or f"{value:g} GB/s, expected at least {mark.value:g}"
    return {
        "test": test,
        "result": result,
        "value": value,
        "mark": None if mark is None else mark.value,
        "source": None if mark is None else mark.source,
        "platform": None if mark is None else mark.platform,
        "message": message,
    }


def judge(wish: Wish, text: str) -> list[Measurement]:
    """Return what the program's output says; TextError if it says nothing."""
    if wish.tool != "nvbandwidth":
        found = parse_collective(text)
        one = measurement(ALL_REDUCE, wish.marks[ALL_REDUCE], found.average)
        if found.wrong:
            one.update(result="fail", message=f"{found.wrong} values came out wrong")
        return [one]
    pairs, waived = parse_nvbandwidth(text)
    judged = []
    for pair in pairs:
        mark = wish.marks.get(pair.test)
        expected = f", expected at least {mark.value:g}" if mark is not None else ""
        judged.append(measurement(pair.test, mark, pair.value, f"{pair.value:g} GB/s at {pair.where}{expected}"))
    return judged + [measurement(NVBANDWIDTH_TESTS.get(name, name), None, None, "not possible here") for name in waived]


def gpus_of_node() -> tuple[str | None, int]:
    """Return model and number of the GPUs that answer; ReadError if the driver hangs or is broken."""
    gpus = [gpu for gpu in read_this_node("/", _READ_SECONDS)["gpus"] if not gpu["lost"]]
    models = sorted({str(gpu["model"]) for gpu in gpus if gpu["model"]})
    return (models[0] if len(models) == 1 else None), len(gpus)


def marks_of(params: t.Mapping[str, t.Any], model: str | None, gpus: int) -> dict[str, Mark | None]:
    """Return the mark of each test: that of the site, else that of the table."""
    site = {
        one["test"]: Mark("", "site", one["test"], gpus, one["value"], one["source"]) for one in params["thresholds"]
    }
    return {test: site.get(test) or find_mark(model, test, gpus, params["platform"]) for test in TESTS}


def _mistake(params: t.Mapping[str, t.Any]) -> str | None:
    if params["timeout"] < 1:
        return f"timeout must be at least 1 second, not {params['timeout']}"
    if params["gpus"] is not None and not 1 <= params["gpus"] <= _MAX_GPUS:
        return f"gpus must be from 1 to {_MAX_GPUS}, not {params['gpus']}"
    for name in ("min_size", "max_size"):
        if params[name] is not None and not _SIZE.match(params[name]):
            return f"{name} must be a number of bytes, with K, M or G, not {params[name]!r}"
    for one in params["thresholds"]:
        if not (math.isfinite(one["value"]) and one["value"] > 0):
            return f"the threshold of {one['test']} must be more than 0, not {one['value']}"
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "tool": {"type": "str", "choices": list(_PROGRAMS), "default": "nccl"},
            "path": {"type": "path"},
            "model": {"type": "str"},
            "gpus": {"type": "int"},
            "platform": {"type": "str"},
            "thresholds": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "test": {"type": "str", "required": True, "choices": list(TESTS)},
                    "value": {"type": "float", "required": True},
                    "source": {"type": "str", "required": True},
                },
            },
            "min_size": {"type": "str"},
            "max_size": {"type": "str"},
            "timeout": {"type": "int", "default": 300},
            "environment": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    answer: dict[str, t.Any] = {"changed": False, "passed": False, "result": "skip", "measurements": []}
    answer.update(marks_version=VERSION, model=params["model"], gpus=params["gpus"] or 0, command=[], timed_out=False)
    wrong = _mistake(params)
    if wrong:
        module.fail_json(msg=wrong, **answer)
    try:
        model, gpus = params["model"], params["gpus"]
        if model is None or gpus is None:
            found_model, found_gpus = gpus_of_node()
            model, gpus = model or found_model, gpus or found_gpus
        if not gpus:
            module.fail_json(msg="no GPU answers, so nothing can be measured", **answer)
        program = params["path"] or module.get_bin_path(_PROGRAMS[params["tool"]], required=True)
        marks = marks_of(params, model, gpus)
        wish = Wish(params["tool"], program, model, gpus, marks, params["min_size"], params["max_size"])
        command = wish.command()
        answer.update(model=model, gpus=gpus, command=command)
        if module.check_mode:
            answer["measurements"] = [measurement(test, marks[test], None) for test in wish.tests()]
            module.exit_json(**answer)
        done = run_group(
            command, params["timeout"], {str(key): str(value) for key, value in params["environment"].items()}
        )
        try:
            answer["measurements"] = judge(wish, done.stdout)
        except TextError as exc:
            said = done.stderr.strip()[-500:]
            module.fail_json(msg=f"{exc} (exit status {done.rc}){': ' + said if said else ''}", **answer)
    except TimeUp as exc:
        module.fail_json(msg=str(exc), **dict(answer, timed_out=True))
    except (CommandError, ReadError) as exc:
        module.fail_json(msg=f"nothing was measured: {exc}", **answer)
    answer["result"] = worst(answer["measurements"])
    if done.rc != 0 and answer["result"] != "fail":
        module.fail_json(msg=f"{program} ended with exit status {done.rc}: {done.stderr.strip()[-500:]}", **answer)
    answer["passed"] = answer["result"] in ("pass", "warn")
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
