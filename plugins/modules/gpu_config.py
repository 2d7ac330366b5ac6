#!/usr/bin/python
# Module: brings the GPUs of a node to power limits, clocks, modes, ECC and MIG layouts.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_config
version_added: 0.1.0
short_description: Set power limits, clocks, modes, ECC and MIG of GPUs
description:
  - Brings the NVIDIA GPUs of a node to the settings that are given, through NVML, and reads them back from the driver.
    A driver that says otherwise afterwards is a failure. Settings that are not given are left alone.
  - All chosen GPUs are looked at before any is touched. A value that one of them cannot hold changes nothing on any.
  - MIG instances that fit the layout stay as they are, with what runs in them. Only what differs is destroyed or made.
    A change that would take a GPU or an instance away from a process is refused, in check mode as well.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Locked clocks cannot be read back. What was locked is remembered below C(/run), and set again at each run, since
        a reset of a GPU drops it and nothing tells.
requirements:
  - nvidia-ml-py on the node
options:
  gpus:
    description:
      - The GPUs, each by its index, its UUID, its PCI address or its device identity as
        RV(aidc.ops.gpu_info#module:gpus[].device) reports it, or V(all).
      - A GPU that does not answer is a failure if it is named, and else left out and told in RV(left_out).
    type: list
    elements: str
    default: [all]
  model:
    description: Of these GPUs only those of that model, as RV(aidc.ops.gpu_info#module:gpus[].model) reports it.
    type: str
  power_limit_watts:
    description: Power limit in watts within what the GPU allows, or V(default) for the one it comes with.
    type: str
  persistence:
    description: Whether the driver stays loaded without clients.
    type: bool
  compute_mode:
    description: Who may compute on the GPU. V(exclusive_process) is one process, V(prohibited) is none.
    type: str
    choices: [default, exclusive_process, prohibited]
  locked_clocks_mhz:
    description: Lowest and highest graphics clock that the GPU is held to. An empty list lifts the lock.
    type: list
    elements: int
  ecc:
    description: Whether the memory corrects errors. It changes with the next reset; see RV(reset_needed).
    type: bool
  mig:
    description:
      - Whether the GPU can be divided into instances. Switching it off destroys them.
      - A reboot ends MIG mode on some GPUs (since Hopper), so set it again after each one.
    type: bool
  mig_layout:
    description:
      - The instances that the GPU is divided into, by the names or the numbers of their profiles as
        C(nvidia-smi mig -lgip) prints them. Each gets one compute instance of its whole size.
      - Needs MIG mode and switches it on. An empty list wants MIG mode without an instance.
    type: list
    elements: str
  timeout:
    description: Seconds that reading the node, looking at the GPUs, and setting them up may take, each.
    type: int
    default: 60
seealso:
  - module: aidc.ops.gpu_info
  - module: aidc.ops.gpu_reset
"""

EXAMPLES = r"""
- name: Limit the power of all GPUs, and keep their driver loaded
  aidc.ops.gpu_config:
    power_limit_watts: 500
    persistence: true
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true

- name: Divide two GPUs
  aidc.ops.gpu_config:
    gpus: [0, 1]
    mig_layout: [3g.40gb, 2g.20gb, 2g.20gb]
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true
  register: divided

- name: Say which GPUs wait for a reset
  ansible.builtin.debug:
    msg: "{{ divided.gpus | selectattr('reset_needed') | map(attribute='device') }}"
  when: divided.reset_needed

- name: Back to what the GPUs come with
  aidc.ops.gpu_config:
    model: NVIDIA H100 80GB HBM3
    power_limit_watts: default
    compute_mode: default
    locked_clocks_mhz: []
    mig: false
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true
"""

RETURN = r"""
gpus:
  description: The chosen GPUs.
  returned: when they are known
  type: list
  elements: dict
  contains:
    index: {description: Index in NVML., type: int}
    uuid: {description: UUID of the GPU., type: str}
    device: {description: Device identity., type: str, sample: 'gpu:0000:1b:00'}
    model: {description: Name of the product., type: str}
    changed: {description: Whether it was changed or would be., type: bool}
    before: {description: The settings that were given as they were. ECC and MIG are those after a reset., type: dict}
    after: {description: The same as the driver reads back; in check mode as they would be., type: dict}
    reset_needed: {description: Whether ECC or MIG mode waits for a reset of the GPU., type: bool}
    reboot_needed: {description: 'The same, where the driver says that only a reboot helps.', type: bool}
    refused: {description: The processes in the way., type: list, elements: dict}
    error: {description: Why it was not set up; null if it was., type: str}
reset_needed:
  description: Whether one of the GPUs waits for a reset. Until then a MIG layout is not made; run this again after it.
  returned: when the GPUs are known
  type: bool
reboot_needed:
  description: Whether one of the GPUs waits for a reboot.
  returned: when the GPUs are known
  type: bool
left_out:
  description: GPUs that do not answer and were left out.
  returned: when the GPUs are known
  type: list
  elements: dict
  contains:
    index: {description: Index in NVML., type: int}
    device: {description: Device identity; null if unknown., type: str}
    error: {description: What is wrong., type: str}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import GpuConfigError
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config import node
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config.wanted import COMPUTE_MODES, Wanted, read_wanted
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import ReadError, read_this_node

Rows = t.List[t.Dict[str, t.Any]]


def rows_of(gpus: t.Sequence[t.Mapping[str, t.Any]], seen: t.Mapping[str, t.Mapping[str, t.Any]]) -> Rows:
    """Return a row of the answer for each GPU, as things are before anything is done."""
    return [
        {
            **{key: gpu[key] for key in ("index", "uuid", "device", "model")},
            "changed": seen[gpu["uuid"]]["before"] != seen[gpu["uuid"]]["after"],
            "before": seen[gpu["uuid"]]["before"],
            "after": seen[gpu["uuid"]]["after"],
            "reset_needed": seen[gpu["uuid"]].get("reset_needed", False),
            "reboot_needed": seen[gpu["uuid"]].get("reboot_needed", False),
            "refused": seen[gpu["uuid"]]["refused"],
            "error": seen[gpu["uuid"]]["error"],
        }
        for gpu in gpus
    ]


def answer(rows: Rows, silent: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """Return what the module says of these rows."""
    return {
        "changed": any(row["changed"] for row in rows),
        "gpus": rows,
        "reset_needed": any(row["reset_needed"] for row in rows),
        "reboot_needed": any(row["reboot_needed"] for row in rows),
        "left_out": [{"index": gpu["index"], "device": gpu["device"], "error": node.why_silent(gpu)} for gpu in silent],
        "diff": {side: {row["uuid"]: row[side] for row in rows if row["changed"]} for side in ("before", "after")},
    }


def failures(rows: Rows) -> str:
    """Return what went wrong for a message; empty if nothing did."""
    return "; ".join("GPU {} ({}): {}".format(row["index"], row["uuid"], row["error"]) for row in rows if row["error"])


def set_up(
    gpus: t.Sequence[t.Mapping[str, t.Any]], wanted: Wanted, record: dict[str, t.Any], rows: Rows, timeout: float
) -> None:
    """Set up the GPUs and write into the rows what became of them."""
    done = node.apply_to(gpus, wanted, record, timeout)
    for row in rows:
        result = done[row["uuid"]]
        if result["error"] is not None:
            row.update(error=result["error"], after={})
            continue
        row.update(
            after=result["state"],
            changed=result["state"] != row["before"],
            reset_needed=result["reset_needed"],
            reboot_needed=result["reboot_needed"],
        )
        if wanted.locked_clocks is not None:
            record[row["uuid"]] = list(wanted.locked_clocks)
    if wanted.locked_clocks is not None:
        node.write_record(node.RECORD, {uuid: clocks for uuid, clocks in record.items() if clocks})


def run(module: AnsibleModule) -> None:
    """Look, decide, and unless in check mode do it."""
    timeout = module.params["timeout"]
    if timeout < 1:
        raise GpuConfigError(f"timeout: must be at least 1 second, not {timeout}")
    wanted = read_wanted(module.params)
    found = read_this_node("/", timeout)
    if not found["available"]:
        raise GpuConfigError(f"the node has no GPU to set up: {found['reason']}")
    gpus, silent = node.choose(found["gpus"], module.params["gpus"], module.params["model"])
    record = node.read_record(node.RECORD)
    rows = rows_of(gpus, node.look_at(gpus, wanted, record, timeout))
    if failures(rows):
        for row in rows:
            row["changed"] = False
        module.fail_json(msg=f"nothing was changed: {failures(rows)}", **answer(rows, silent))
    if not module.check_mode:
        set_up(gpus, wanted, record, rows, timeout)
    for gpu in silent:
        module.warn("GPU {} was left out: {}".format(gpu["index"], node.why_silent(gpu)))
    if failures(rows):
        module.fail_json(msg=failures(rows), **answer(rows, silent))
    module.exit_json(**answer(rows, silent))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gpus": {"type": "list", "elements": "str", "default": ["all"]},
            "model": {"type": "str"},
            "power_limit_watts": {"type": "str"},
            "persistence": {"type": "bool"},
            "compute_mode": {"type": "str", "choices": list(COMPUTE_MODES)},
            "locked_clocks_mhz": {"type": "list", "elements": "int"},
            "ecc": {"type": "bool"},
            "mig": {"type": "bool"},
            "mig_layout": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (GpuConfigError, ReadError) as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
