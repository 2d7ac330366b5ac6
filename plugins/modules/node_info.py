#!/usr/bin/python
# Module: reports the hardware of a node and the system on it, all but its GPUs and its BMC.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
version_added: 0.1.0
short_description: Report the hardware of a node
description:
  - Reads processors, memory, NUMA nodes, PCIe links, NVSwitches, network adapters, InfiniBand ports, disks,
    filesystems, clock and operating system of a node in one task, from C(/sys), C(/proc) and the kernel's own calls,
    without parsing the text of another program.
  - What is not known is null. An empty list means that there is none.
  - A part that cannot be read is null, and a device that does not answer keeps its entry with null in it. RV(problems)
    says why, and the rest is reported.
  - A device that hangs, such as a mount of a server that is gone, never hangs the module, and many of them cost no more
    time than one.
  - GPUs are the business of M(aidc.ops.gpu_info).
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
notes:
  - Nothing has to be installed on the node but Python. psutil is not used, since C(/sys) and C(/proc) say more about
    each device than it does.
  - Serial numbers, memory modules and the wear of NVMe drives are readable for root only. Without the permission they
    are null and among RV(problems).
options:
  root:
    description:
      - Directory in front of C(/sys) and C(/proc), for nodes whose hardware tree is mounted elsewhere.
      - Name, machine id, operating system, boot identity, filesystems and the state of the clock are always those of
        the running system.
      - With another directory than V(/) the adapters and drives themselves are not asked, so firmware of network
        adapters and wear of drives are null.
    type: path
    default: /
  timeout:
    description: Seconds within which the module answers. A device has half of it.
    type: int
    default: 10
  parts:
    description: Parts to read. The others are null.
    type: list
    elements: str
    choices:
      - node
      - os
      - cpus
      - numa_nodes
      - memory
      - nvswitches
      - nics
      - infiniband_ports
      - disks
      - filesystems
      - pcie_links
      - clock
    default:
      - node
      - os
      - cpus
      - numa_nodes
      - memory
      - nvswitches
      - nics
      - infiniband_ports
      - disks
      - filesystems
      - pcie_links
      - clock
seealso:
  - module: aidc.ops.gpu_info
  - module: aidc.ops.node_identity_info
"""

EXAMPLES = r"""
- name: Read the hardware
  aidc.ops.node_info:
  become: true
  register: hardware

- name: Show the links that are narrower or slower than their devices can be
  ansible.builtin.debug:
    msg: "{{ item.pci_address }} runs with {{ item.width }} of {{ item.max_width }} lanes"
  loop: "{{ hardware.pcie_links | rejectattr('width', 'none') }}"
  loop_control:
    label: "{{ item.pci_address }}"
  when: item.width != item.max_width or item.speed_gtps != item.max_speed_gtps

- name: Look for mounts that do not answer
  aidc.ops.node_info:
    parts: [filesystems]
    timeout: 4
  register: mounts
  failed_when: mounts.filesystems | rejectattr('error', 'none') | list | length > 0
"""

RETURN = r"""
node:
  description: Who the node is.
  returned: success
  type: dict
  contains:
    id: {description: 'Stable identity, as M(aidc.ops.node_identity_info) gives it.', type: str, sample: 'dmi:SN0042'}
    id_source: {description: 'Where the identity comes from, V(dmi) or V(machine-id).', type: str}
    hostname: {description: Host name., type: str}
    manufacturer: {description: Manufacturer of the product., type: str}
    product: {description: Name of the product., type: str}
    serial: {description: Serial number of the product., type: str}
    uuid: {description: UUID of the product., type: str}
    board_serial: {description: Serial number of the board., type: str}
    chassis_serial: {description: Serial number of the chassis., type: str}
    bios_version: {description: Version of the firmware., type: str}
    bios_date: {description: Date of the firmware as it writes it., type: str, sample: 04/12/2025}
os:
  description: What runs on the node.
  returned: success
  type: dict
  contains:
    name: {description: Short name of the distribution., type: str, sample: debian}
    version: {description: Version of the distribution., type: str, sample: '12'}
    kernel: {description: Release of the kernel., type: str, sample: 6.1.0-28-amd64}
    architecture: {description: Architecture of the kernel., type: str, sample: x86_64}
    boot_identity: {description: Boot id of the kernel and start time of process 1 in clock ticks., type: str}
cpus:
  description: The processors, one entry for each socket.
  returned: success
  type: list
  elements: dict
  contains:
    socket: {description: Number of the socket., type: int}
    model: {description: Name of the processor., type: str}
    cores: {description: Cores that are online., type: int}
    threads: {description: Threads that are online., type: int}
    max_mhz: {description: Highest clock., type: float}
    microcode: {description: Version of the microcode., type: str, sample: '0x2b000571'}
    numa_nodes: {description: Ids of the NUMA nodes of its threads., type: list, elements: int}
numa_nodes:
  description: The NUMA nodes.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Number of the node., type: int}
    cpus: {description: Its threads., type: str, sample: '0-55,112-167'}
    memory_total_bytes: {description: Its memory., type: int}
    distances: {description: Distance to each node in the order of their numbers., type: list, elements: int}
memory:
  description: The memory.
  returned: success
  type: dict
  contains:
    total_bytes: {description: Memory that the kernel has., type: int}
    dimms:
      description: Memory modules; null where the firmware lists none. An empty slot is no module.
      type: list
      elements: dict
      contains:
        slot: {description: Name of the slot., type: str}
        size_bytes: {description: Size., type: int}
        type: {description: Kind of memory., type: str, sample: DDR5}
        speed_mtps: {description: 'Speed that is set, in millions of transfers per second.', type: int}
        manufacturer: {description: Manufacturer., type: str}
        part_number: {description: Part number., type: str}
        serial: {description: Serial number., type: str}
    edac:
      description: Error counters of the memory controllers; null without an EDAC driver.
      type: list
      elements: dict
      contains:
        controller: {description: Name of the controller., type: str, sample: mc0}
        corrected_errors: {description: Errors that were corrected since the driver was loaded., type: int}
        uncorrected_errors: {description: Errors that were not., type: int}
nvswitches:
  description: The NVSwitches.
  returned: success
  type: list
  elements: dict
  contains:
    pci_address: {description: PCI address., type: str, sample: '0000:05:00.0'}
    device_id: {description: PCI device id., type: str}
    driver: {description: Driver that is bound to it., type: str, sample: nvidia-nvswitch}
    firmware: {description: Version of its firmware., type: str}
nics:
  description: The network interfaces with hardware of their own; no virtual functions.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the interface., type: str}
    mac: {description: Address that the adapter was made with., type: str}
    pci_address: {description: PCI address; null for one on USB., type: str}
    numa_node: {description: NUMA node., type: int}
    vendor_id: {description: PCI vendor id., type: str, sample: '0x15b3'}
    device_id: {description: PCI device id., type: str}
    driver: {description: Driver., type: str}
    firmware: {description: Version of the firmware., type: str}
    state: {description: State of the interface., type: str, sample: up}
    speed_mbps: {description: Speed of the link; null while it is down., type: int}
    mtu: {description: Largest packet., type: int}
    duplex: {description: V(full) or V(half)., type: str}
infiniband_ports:
  description: The ports of InfiniBand and RoCE adapters.
  returned: success
  type: list
  elements: dict
  contains:
    device: {description: Name of the adapter., type: str, sample: mlx5_0}
    port: {description: Number of the port., type: int}
    node_guid: {description: GUID of the adapter., type: str, sample: '0c42:a103:0065:4ac6'}
    port_guid: {description: GUID of the port; null on Ethernet., type: str}
    link_layer: {description: V(InfiniBand) or V(Ethernet)., type: str}
    state: {description: State of the port., type: str, sample: ACTIVE}
    physical_state: {description: State of its link., type: str, sample: LinkUp}
    rate_gbps: {description: Speed of the link; null while the port is down., type: float}
    lid: {description: Local identifier; null if none is given., type: int}
    firmware: {description: Version of the firmware., type: str}
    board_id: {description: Kind of the board., type: str}
    pci_address: {description: PCI address., type: str}
    numa_node: {description: NUMA node., type: int}
    netdevs: {description: Its network interfaces., type: list, elements: str}
disks:
  description: The disks.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the block device., type: str, sample: nvme0n1}
    model: {description: Model., type: str}
    serial: {description: Serial number., type: str}
    firmware: {description: Version of the firmware., type: str}
    size_bytes: {description: Size., type: int}
    transport: {description: How it is attached., type: str, sample: nvme}
    rotational: {description: Whether it turns., type: bool}
    pci_address: {description: PCI address of the drive or of its adapter., type: str}
    numa_node: {description: NUMA node., type: int}
    wear_percent:
      description: Part of its endurance that an NVMe drive has used up; it can exceed 100.
      type: int
    state: {description: State., type: str, sample: live}
filesystems:
  description: The mounted filesystems that are backed by a disk or a server.
  returned: success
  type: list
  elements: dict
  contains:
    mount: {description: Mount point., type: str}
    source: {description: Disk or server., type: str}
    type: {description: Kind of filesystem., type: str}
    options: {description: 'Mount options, V(rw) or V(ro) first.', type: list, elements: str}
    size_bytes: {description: Size., type: int}
    available_bytes: {description: Space for users other than root., type: int}
    error: {description: Why it does not answer; null if it does., type: str}
pcie_links:
  description: The PCIe links, each by the device at its lower end.
  returned: success
  type: list
  elements: dict
  contains:
    pci_address: {description: PCI address of the device., type: str}
    class_id: {description: PCI class., type: str, sample: '0x030200'}
    vendor_id: {description: PCI vendor id., type: str}
    device_id: {description: PCI device id., type: str}
    driver: {description: Driver that is bound to it., type: str}
    numa_node: {description: NUMA node., type: int}
    width: {description: Lanes in use; null if the device no longer tells., type: int}
    max_width: {description: Lanes that the device has., type: int}
    speed_gtps: {description: Speed of the link in GT/s., type: float}
    max_speed_gtps: {description: Highest speed of the device., type: float}
clock:
  description: The clock.
  returned: success
  type: dict
  contains:
    source: {description: Clock source of the kernel., type: str, sample: tsc}
    available_sources: {description: Sources that it could use., type: list, elements: str}
    synchronised:
      description:
        - Whether the kernel knows that something holds the clock.
        - chrony tells the kernel only with its option C(rtcsync), which distributions set.
      type: bool
    offset_seconds:
      description: Offset that the kernel still corrects; null where a daemon corrects it from outside, as chrony does.
      type: float
problems:
  description: What could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    part: {description: Part of the answer., type: str}
    device: {description: Device in it; null if it is about the whole part., type: str}
    message: {description: What went wrong., type: str}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nodes import PARTS, read_parts


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "timeout": {"type": "int", "default": 10},
            "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
        },
        supports_check_mode=True,
    )
    root, timeout = module.params["root"], module.params["timeout"]
    if timeout < 1:
        module.fail_json(msg=f"timeout must be at least 1 second, not {timeout}")
    if not os.path.isdir(root):
        module.fail_json(msg=f"root is no directory: {root}")
    module.exit_json(changed=False, **read_parts(root, timeout, module.params["parts"]))


if __name__ == "__main__":
    main()
