#!/usr/bin/python
# Module: collects the hardware record of a node, and writes it where that is wanted.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hardware_record
version_added: 0.1.0
short_description: Collect the hardware record of a node
description:
  - Reads every device of a node in one task. Processors, memory, GPUs, network and InfiniBand adapters, disks,
    filesystems, PCIe links, power supplies, fans, BMC, clock and switch neighbours become one record.
  - What nobody could tell is null. An empty list means that there is none. What should be readable and is not stands in
    RV(record.problems) and is no failure of the task.
  - A device that hangs costs its own values. The module ends a few seconds after O(timeout) at the latest.
  - The record can be written as JSON and as metrics for node_exporter's textfile collector. Each file is replaced as a
    whole. New readings (temperatures, speeds, free space, the time) are written too but are not a change.
  - Run it as root. Others cannot read serial numbers, memory modules and much of PCIe.
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
requirements:
  - nvidia-ml-py on nodes with NVIDIA GPUs
  - amdsmi or rocm-smi on nodes with AMD GPUs
  - ipmitool where the BMC is asked in band
  - lldpd for switch neighbours
options:
  root:
    description:
      - Directory in front of C(/sys), C(/proc) and C(/dev), for nodes whose hardware tree is mounted elsewhere.
      - Mounted filesystems and the boot are always those of the running system.
    type: path
    default: /
  timeout:
    description: Seconds after which a source that does not answer is given up.
    type: int
    default: 30
  bmc:
    description:
      - What M(aidc.ops.bmc_info) said about this node, also if it failed. It is merged into the record.
      - Without it the BMC is asked in band.
    type: dict
  bmc_in_band:
    description: Whether C(ipmitool) asks the BMC where the node has an IPMI device and O(bmc) is not given.
    type: bool
    default: true
  topology:
    description: Where the node stands, as far as somebody knows.
    type: dict
    default: {}
    suboptions:
      site:
        description: Site.
        type: str
      rack:
        description: Rack.
        type: str
      leaf:
        description: Leaf switch.
        type: str
      feed:
        description: Power feed.
        type: str
  json_path:
    description: File on the node to which the record is written as JSON.
    type: path
  json_mode:
    description: Mode of that file, as an octal number in quotes.
    type: raw
    default: '0644'
  textfile_path:
    description:
      - File on the node to which metrics are written, in the directory of node_exporter's textfile collector.
      - Its name has to end in C(.prom).
    type: path
  textfile_mode:
    description: Mode of that file, as an octal number in quotes. The exporter has to be able to read it.
    type: raw
    default: '0644'
seealso:
  - module: aidc.ops.gpu_info
  - module: aidc.ops.node_info
  - module: aidc.ops.bmc_info
  - name: Schema of the record
    description: Every field with its unit, as JSON Schema.
    link: https://github.com/aidc-ops/aidc.ops/blob/main/docs/schemas/hardware_record.schema.json
"""

EXAMPLES = r"""
- name: Collect the hardware of the node
  aidc.ops.hardware_record:
    topology:
      rack: "{{ aidc_ops_rack | default(omit) }}"
      leaf: "{{ aidc_ops_leaf | default(omit) }}"
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true
  register: hardware

- name: Stop if a GPU is missing
  ansible.builtin.assert:
    that: (hardware.record.gpus or []) | length == 8
    fail_msg: "{{ hardware.record.problems }}"

- name: Keep the record on the node, and in its metrics
  aidc.ops.hardware_record:
    json_path: /var/lib/aidc_ops/hardware_record.json
    textfile_path: /var/lib/prometheus/node-exporter/aidc_ops_hardware.prom
  become: true
"""

RETURN = r"""
record:
  description: The hardware record. The schema describes every field of every part.
  returned: success
  type: dict
  contains:
    schema_version: {description: Version of the schema., type: int, sample: 1}
    collected_at: {description: 'When it was collected, in UTC (RFC 3339).', type: str, sample: '2026-11-21T12:00:00Z'}
    node: {description: The machine with its stable identity., type: dict}
    os: {description: Operating system and boot identity., type: dict}
    cpus: {description: Processors., type: list, elements: dict}
    numa_nodes: {description: NUMA nodes., type: list, elements: dict}
    memory: {description: 'Memory, its modules and its error counters.', type: dict}
    gpu_drivers: {description: GPU drivers that answered., type: list, elements: dict}
    gpus: {description: 'GPUs, as M(aidc.ops.gpu_info) returns them.', type: list, elements: dict}
    nvswitches: {description: NVSwitches., type: list, elements: dict}
    nics: {description: Network interfaces., type: list, elements: dict}
    infiniband_ports: {description: Ports of InfiniBand and RoCE adapters., type: list, elements: dict}
    disks: {description: Disks., type: list, elements: dict}
    filesystems: {description: Mounted filesystems., type: list, elements: dict}
    pcie_links: {description: PCIe links., type: list, elements: dict}
    power_supplies: {description: Power supplies., type: list, elements: dict}
    fans: {description: Fans., type: list, elements: dict}
    bmc: {description: The board management controller., type: dict}
    clock: {description: The clock., type: dict}
    topology: {description: Where the node stands and its switch neighbours., type: dict}
    problems:
      description: What could not be read although it should be readable.
      type: list
      elements: dict
      contains:
        part: {description: Part of the record., type: str}
        device: {description: Device of the part; null if it is about the whole part., type: str}
        message: {description: What went wrong., type: str}
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware import textfile
from ansible_collections.aidc.ops.plugins.module_utils._hardware.atomic_file import FileError, Found, find, write
from ansible_collections.aidc.ops.plugins.module_utils._hardware.collect import Asked, collect
from ansible_collections.aidc.ops.plugins.module_utils._hardware.record import check, steady
from ansible_collections.aidc.ops.plugins.module_utils._runner import run


class Target(t.NamedTuple):
    """A file that is wanted: C(render) makes its text, C(still) leaves out of a text what is no change."""

    path: str
    mode: int
    render: t.Callable[[t.Mapping[str, t.Any]], str]
    still: t.Callable[[str], str]


def _json_text(record: t.Mapping[str, t.Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _still_json(text: str) -> str:
    """The record without its readings; a text that is no record stays as it is."""
    try:
        record = json.loads(text)
    except ValueError:
        return text
    return text if check(record) else _json_text(steady(record))


def _mode(module: AnsibleModule, option: str) -> int:
    """The mode as a number: Ansible hands over text, or a number where YAML has read the octal digits already."""
    value = module.params[option]
    try:
        mode = int(value, 8) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        mode = -1
    if not 0 <= mode <= 0o777:
        module.fail_json(msg=f"{option} has to be an octal number in quotes such as '0644', not {value!r}")
    return mode


def _targets(module: AnsibleModule) -> list[Target]:
    targets = []
    for name, render, still in (("json", _json_text, _still_json), ("textfile", textfile.render, textfile.steady)):
        path = module.params[f"{name}_path"]
        if path is None:
            continue
        if not os.path.isabs(path):
            module.fail_json(msg=f"{name}_path has to be an absolute path, not {path!r}")
        if name == "textfile" and not path.endswith(".prom"):
            module.fail_json(msg=f"textfile_path has to end in .prom, else the exporter does not read it: {path}")
        targets.append(Target(path, _mode(module, f"{name}_mode"), render, still))
    return targets


def _place(target: Target, found: Found, record: t.Mapping[str, t.Any], dry: bool) -> dict[str, t.Any] | None:
    """Write a file if it differs. Return the difference, None if only readings differ."""
    text = target.render(record)
    before, after = target.still(found.text or ""), target.still(text)
    if not dry and (found.text != text or found.mode != target.mode):
        write(target.path, text, target.mode)
    if found.text is not None and before == after and found.mode == target.mode:
        return None
    headers = [
        target.path if mode is None else f"{target.path} (mode {mode:04o})" for mode in (found.mode, target.mode)
    ]
    return {"before": before, "after": after, "before_header": headers[0], "after_header": headers[1]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "timeout": {"type": "int", "default": 30},
            "bmc": {"type": "dict"},
            "bmc_in_band": {"type": "bool", "default": True},
            "topology": {
                "type": "dict",
                "default": {},
                "options": {name: {"type": "str"} for name in ("site", "rack", "leaf", "feed")},
            },
            "json_path": {"type": "path"},
            "json_mode": {"type": "raw", "default": "0644"},
            "textfile_path": {"type": "path"},
            "textfile_mode": {"type": "raw", "default": "0644"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["timeout"] < 1:
        module.fail_json(msg=f"timeout must be at least 1 second, not {params['timeout']}")
    targets = _targets(module)
    try:
        # A path that cannot be written is told before anything is read.
        found = [find(target.path, may_be_made=module.check_mode) for target in targets]
        asked = Asked(params["root"], params["timeout"], run)
        record = collect(asked, params["topology"], params["bmc"], params["bmc_in_band"])
        diffs = [_place(target, state, record, module.check_mode) for target, state in zip(targets, found)]
    except FileError as exc:
        module.fail_json(msg=str(exc))
    diff = [each for each in diffs if each is not None]
    module.exit_json(changed=bool(diff), record=record, diff=diff)


if __name__ == "__main__":
    main()
