#!/usr/bin/python
# Module: reports the GPUs of a node as their drivers see them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
version_added: 0.1.0
short_description: Report the GPUs of a node
description:
  - Reads every GPU of the node from the library of its driver (NVML for NVIDIA, amdsmi for AMD), not from printed text.
  - Without the library amdsmi the JSON of C(rocm-smi) is read; without either, what the kernel tells.
  - A node without a driver or without a GPU is an answer, not an error.
  - A driver that is installed but cannot be used (versions of library and kernel module differ, no permission, a driver
    that hangs or was not loaded) is an error that says which.
  - A GPU that fell off the bus is reported with RV(gpus[].lost=true) and does not hide the others, nor does one that
    hangs or answers with errors.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
requirements:
  - nvidia-ml-py on the node (only where NVIDIA's driver library is installed)
  - amdsmi or rocm-smi of ROCm on the node (only where AMD GPUs are to be read in full)
options:
  vendors:
    description: Whose GPUs are looked for. Nothing of a vendor whose GPUs are not in the node is asked.
    type: list
    elements: str
    choices: [nvidia, amd]
    default: [nvidia, amd]
  timeout:
    description:
      - Seconds that reading the GPUs of one vendor may take.
      - All GPUs are read in the first half. If one of them hangs, it and those behind it are asked again in the second
        half, all at the same time, so that only GPUs which hang are given up.
    type: int
    default: 30
  root:
    description: Directory in front of C(/proc) and C(/sys), for nodes whose hardware tree is mounted elsewhere.
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
  description: Version of NVIDIA's driver; null if unknown.
  returned: success
  type: str
  sample: 570.86.15
nvml_version:
  description: Version of NVML; null if unknown.
  returned: success
  type: str
  sample: 12.570.86
gpu_drivers:
  description: The drivers that answered.
  returned: success
  type: list
  elements: dict
  contains:
    vendor: {description: Vendor of the GPUs., type: str, sample: nvidia}
    driver_version: {description: Version of the kernel driver; null if unknown., type: str, sample: 570.86.15}
    library_version: {description: Version of NVML or amdsmi; null if unknown., type: str, sample: 12.570.86}
problems:
  description: What could not be read although it should be there. Values that a problem is about are null.
  returned: success
  type: list
  elements: dict
  contains:
    part: {description: Always V(gpus)., type: str}
    device:
      description: The GPU as in RV(gpus[].device); null if its address is unknown or the problem is not of one GPU.
      type: str
    message: {description: What is wrong., type: str}
gpus:
  description: The GPUs, each vendor's in the order of its library. What a driver does not tell is null.
  returned: success
  type: list
  elements: dict
  contains:
    vendor: {description: Maker of the GPU., type: str, sample: nvidia}
    index: {description: Index in the vendor's library; of AMD GPUs the place in the order of the addresses., type: int}
    uuid: {description: UUID of the GPU., type: str}
    serial: {description: Serial number of the board., type: str}
    part_number: {description: Part number of the board., type: str, sample: 692-2G520-0200-000}
    model: {description: Name of the product., type: str, sample: NVIDIA H100 80GB HBM3}
    pci_bus_id: {description: PCI address as NVML writes it., type: str, sample: '00000000:1B:00.0'}
    device: {description: Device identity used in faults and cases., type: str, sample: 'gpu:0000:1b:00'}
    numa_node: {description: NUMA node that the GPU is attached to., type: int}
    minor_number: {description: Number of C(/dev/nvidiaN)., type: int}
    memory_total_bytes: {description: Memory in bytes., type: int}
    temperature_celsius: {description: Temperature of the GPU., type: int}
    power_usage_watts: {description: Power that the GPU takes now., type: float}
    power_limit_watts: {description: Power limit that is set., type: float}
    power_limit_min_watts: {description: Lowest power limit that may be set., type: float}
    power_limit_max_watts: {description: Highest power limit that may be set., type: float}
    max_graphics_clock_mhz: {description: Highest graphics clock., type: int}
    persistence_mode: {description: Whether the driver stays loaded without clients., type: bool}
    compute_capability:
      description: CUDA compute capability, or the graphics version of an AMD GPU (V(gfx942)).
      type: str
      sample: "9.0"
    vbios_version:
      description: Version of the VBIOS, or its part number where nothing else is told.
      type: str
      sample: 96.00.99.00.01
    inforom_version: {description: Version of the InfoROM image., type: str, sample: G520.0200.00.05}
    pcie:
      description: The PCIe link. An idle GPU may run it at a lower generation.
      type: dict
      contains:
        width: {description: Lanes in use., type: int}
        max_width: {description: Lanes that GPU and slot have., type: int}
        generation: {description: PCIe generation in use., type: int}
        max_generation: {description: Highest generation of GPU and slot., type: int}
    ecc_mode: {description: Whether ECC is on., type: bool}
    ecc_uncorrected_volatile: {description: Uncorrected memory errors since the driver was loaded., type: int}
    ecc:
      description: Error correction of the memory; null on GPUs without it.
      type: dict
      contains:
        mode: {description: Whether ECC is on., type: bool}
        mode_pending: {description: Whether ECC is on after the next reboot., type: bool}
        corrected_aggregate: {description: Corrected errors in the life of the board., type: int}
        uncorrected_aggregate: {description: Uncorrected errors in the life of the board., type: int}
        corrected_volatile: {description: Corrected errors since the driver was loaded., type: int}
        uncorrected_volatile: {description: Uncorrected errors since the driver was loaded., type: int}
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
    mig_mode: {description: Whether MIG is on; null on GPUs without it., type: bool}
    mig_devices:
      description: The MIG devices; empty where there is none, null where nobody could ask.
      type: list
      elements: dict
      contains:
        uuid: {description: UUID of the MIG device., type: str}
        profile: {description: Its profile., type: str, sample: 1g.10gb}
        gpu_instance: {description: Number of its GPU instance., type: int}
        compute_instance: {description: Number of its compute instance., type: int}
        memory_total_bytes: {description: Its memory in bytes., type: int}
        device_minors:
          description:
            - Numbers N of its files C(/dev/nvidia-caps/nvidia-capN), of its GPU instance and its compute instance.
            - null where the driver does not tell.
          type: list
          elements: int
    nvlinks_active: {description: NVLinks that are up., type: int}
    nvlinks_total: {description: NVLinks that exist., type: int}
    nvlinks:
      description: The NVLinks; empty on a GPU without them, null where nobody could ask.
      type: list
      elements: dict
      contains:
        link: {description: Number of the link., type: int}
        active: {description: Whether it is up., type: bool}
        version: {description: NVLink generation (4 on an H100)., type: int}
        remote_type: {description: 'What is at the other end: V(gpu), V(switch) or V(unknown).', type: str}
        remote_pci_address: {description: PCI address of the other end., type: str, sample: '0000:05:00.0'}
    processes: {description: Ids of the processes that use the GPU., type: list, elements: int}
    lost: {description: Whether the GPU no longer answers., type: bool}
    error: {description: 'What the driver says where the GPU cannot be read, or that it hangs; else null.', type: str}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpus import VENDORS, read_gpus


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "vendors": {"type": "list", "elements": "str", "choices": list(VENDORS), "default": list(VENDORS)},
            "timeout": {"type": "int", "default": 30},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    if module.params["timeout"] < 1:
        module.fail_json(msg="timeout must be at least 1 second, not {}".format(module.params["timeout"]))
    answer = read_gpus(module.params["root"], module.params["timeout"], module.params["vendors"])
    if answer["gpus"] is None:
        module.fail_json(msg=answer["reason"], problems=answer["problems"])
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
