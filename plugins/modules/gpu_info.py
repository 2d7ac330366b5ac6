#!/usr/bin/python
# Module: reports the GPUs of a node as NVML sees them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
version_added: 0.1.0
short_description: Report the GPUs of a node
description:
  - Reads every GPU of the node through NVML, the management library of the NVIDIA driver.
  - A node without a driver or without a GPU is an answer, not an error.
  - A driver that is installed but cannot be used (versions of library and kernel module differ, no permission, a call
    that hangs) is an error that says which.
  - A GPU that fell off the bus is reported with RV(gpus[].lost=true) and does not hide the others.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
requirements:
  - nvidia-ml-py on the node (only where the driver library is installed)
options:
  timeout:
    description: Seconds after which a driver that does not answer is given up.
    type: int
    default: 30
  root:
    description: Directory in front of C(/proc/driver/nvidia), for nodes whose hardware tree is mounted elsewhere.
    type: path
    default: /
seealso:
  - plugin: aidc.ops.gpu_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read the GPUs
  aidc.ops.gpu_info:
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true
  register: gpus

- name: Stop if a GPU has a problem
  ansible.builtin.assert:
    that: gpus | aidc.ops.gpu_problems(8) | length == 0
"""

RETURN = r"""
available:
  description: Whether the node has at least one GPU with a working driver.
  returned: success
  type: bool
reason:
  description: Why no GPU is available; null if one is.
  returned: success
  type: str
driver_version:
  description: Version of the driver; null if unknown.
  returned: success
  type: str
  sample: 570.86.15
nvml_version:
  description: Version of NVML; null if unknown.
  returned: success
  type: str
  sample: 12.570.86
gpus:
  description: The GPUs in the order of NVML. What NVML does not tell is null.
  returned: success
  type: list
  elements: dict
  contains:
    index: {description: Index in NVML., type: int}
    uuid: {description: UUID of the GPU., type: str}
    serial: {description: Serial number of the board., type: str}
    model: {description: Name of the product., type: str, sample: NVIDIA H100 80GB HBM3}
    pci_bus_id: {description: PCI address as NVML writes it., type: str, sample: '00000000:1B:00.0'}
    device: {description: Device identity used in faults and cases., type: str, sample: 'gpu:0000:1b:00'}
    memory_total_bytes: {description: Memory in bytes., type: int}
    temperature_celsius: {description: Temperature of the GPU., type: int}
    power_limit_watts: {description: Power limit that is set., type: float}
    power_limit_min_watts: {description: Lowest power limit that may be set., type: float}
    power_limit_max_watts: {description: Highest power limit that may be set., type: float}
    max_graphics_clock_mhz: {description: Highest graphics clock., type: int}
    persistence_mode: {description: Whether the driver stays loaded without clients., type: bool}
    ecc_mode: {description: Whether ECC is on., type: bool}
    ecc_uncorrected_volatile: {description: Uncorrected memory errors since the driver was loaded., type: int}
    remapped_rows:
      description: Memory rows that were replaced; null on GPUs without row remapping.
      type: dict
      contains:
        correctable: {description: Rows replaced after corrected errors., type: int}
        uncorrectable: {description: Rows replaced after uncorrected errors., type: int}
        pending: {description: Whether a replacement waits for a reset., type: bool}
        failure: {description: Whether a replacement failed., type: bool}
    recovery_action:
      description:
        - What the driver asks for.
        - One of V(none), V(gpu_reset), V(node_reboot), V(drain_p2p), V(drain_and_reset) and newer ones.
      type: str
    mig_mode: {description: Whether MIG is on., type: bool}
    nvlinks_active: {description: NVLinks that are up., type: int}
    nvlinks_total: {description: NVLinks that exist., type: int}
    minor_number: {description: Number of C(/dev/nvidiaN)., type: int}
    lost: {description: Whether the GPU no longer answers., type: bool}
    error: {description: NVML's error where the GPU cannot be read; else null., type: str}
    processes: {description: Ids of the processes that use the GPU., type: list, elements: int}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import ReadError, read_this_node


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "timeout": {"type": "int", "default": 30},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    if module.params["timeout"] < 1:
        module.fail_json(msg=f"timeout must be at least 1 second, not {module.params['timeout']}")
    try:
        answer = read_this_node(module.params["root"], module.params["timeout"])
    except ReadError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
