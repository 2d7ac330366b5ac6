#!/usr/bin/python
# Module: measures how much of a node is used: processors, memory, disks, network.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_usage_info
version_added: 0.1.0
short_description: Measure the usage of a node
description:
  - Reads the counters of the kernel several times and returns rates and shares with their lowest, mean and highest
    value over the samples. The task takes O(interval) times O(samples) seconds.
  - Disks and network interfaces are those with hardware behind them. In a container, where none has, they are all there
    are.
  - A counter that wraps is followed. One that starts again leaves its sample out.
  - Needs psutil for disks and network. Without it processors and memory are still measured, RV(disks) and RV(networks)
    are null and RV(problems) says so.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
requirements:
  - psutil on the node (for disks and network)
options:
  interval:
    description: Seconds from one sample to the next, from 0.1 to 60.
    type: float
    default: 1.0
  samples:
    description: Number of samples, from 1 to 600. All of them together may take 600 seconds at most.
    type: int
    default: 3
  timeout:
    description: Seconds after the last sample when a kernel that does not answer is given up.
    type: int
    default: 10
seealso:
  - module: aidc.ops.hardware_record
"""

EXAMPLES = r"""
- name: Measure for ten seconds
  aidc.ops.node_usage_info:
    interval: 2
    samples: 5
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  register: usage

- name: Show the disks that are busy more than half of the time
  ansible.builtin.debug:
    msg: "{{ usage.disks | selectattr('utilisation_percent.mean', 'gt', 50) | map(attribute='name') }}"
"""

RETURN = r"""
source:
  description: What the counters were read with, V(psutil) or V(procfs).
  returned: success
  type: str
duration_seconds:
  description: Time from the first reading to the last.
  returned: success
  type: float
cpu:
  description: Shares of the time of all processors together, in percent; null if they could not be read.
  returned: success
  type: dict
  contains:
    busy_percent:
      description: Time in which something ran. As with every other value here, null if it could not be measured.
      type: dict
      contains:
        min: {description: Lowest of the samples., type: float}
        mean: {description: Mean over the time., type: float}
        max: {description: Highest of the samples., type: float}
    user_percent: {description: Time in programs., type: dict}
    system_percent: {description: Time in the kernel., type: dict}
    iowait_percent: {description: Idle time in which a disk was waited for., type: dict}
    steal_percent: {description: Time that the hypervisor gave to others., type: dict}
    cpus:
      description: Each processor.
      type: list
      elements: dict
      contains:
        cpu: {description: Number of the processor., type: int}
        busy_percent: {description: Time in which something ran., type: dict}
memory:
  description: Main memory and swap; null if they could not be read.
  returned: success
  type: dict
  contains:
    total_bytes: {description: Main memory., type: int}
    available_bytes: {description: Memory that programs can still get., type: dict}
    used_percent: {description: The rest of it., type: dict}
    swap_total_bytes: {description: Swap space., type: int}
    swap_used_bytes: {description: Swap space that is in use., type: dict}
disks:
  description: Disks by name, without partitions; null if they could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the block device., type: str}
    read_bytes_per_second: {description: Bytes read., type: dict}
    write_bytes_per_second: {description: Bytes written., type: dict}
    reads_per_second: {description: Finished reads., type: dict}
    writes_per_second: {description: Finished writes., type: dict}
    utilisation_percent: {description: Time in which the disk had something to do., type: dict}
networks:
  description: Network interfaces by name, without the loopback; null if they could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the interface., type: str}
    speed_mbps: {description: Speed of the link in Mbit/s; null if unknown., type: int}
    receive_bytes_per_second: {description: Bytes received., type: dict}
    transmit_bytes_per_second: {description: Bytes sent., type: dict}
    receive_packets_per_second: {description: Packets received., type: dict}
    transmit_packets_per_second: {description: Packets sent., type: dict}
    receive_errors_per_second: {description: Errors while receiving., type: dict}
    transmit_errors_per_second: {description: Errors while sending., type: dict}
    receive_drops_per_second: {description: Packets dropped while receiving., type: dict}
    transmit_drops_per_second: {description: Packets dropped while sending., type: dict}
    utilisation_percent: {description: Share of the speed in the direction that was used more., type: dict}
problems:
  description: What could not be measured, and devices that came, went or counted anew meanwhile.
  returned: success
  type: list
  elements: dict
  contains:
    part: {description: 'V(cpu), V(memory), V(disks) or V(networks).', type: str}
    device: {description: Device of the part; null if it is about the whole part., type: str}
    message: {description: What went wrong., type: str}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import ChildFailed, ChildTimeout, call_bounded
from ansible_collections.aidc.ops.plugins.module_utils._hardware.usage_reader import watch

MAX_SECONDS = 600


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interval": {"type": "float", "default": 1.0},
            "samples": {"type": "int", "default": 3},
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    interval, samples, timeout = (module.params[name] for name in ("interval", "samples", "timeout"))
    if not 0.1 <= interval <= 60:
        module.fail_json(msg=f"interval has to be from 0.1 to 60 seconds, not {interval}")
    if not 1 <= samples <= 600 or interval * samples > MAX_SECONDS:
        module.fail_json(
            msg=f"samples has to be from 1 to 600, and all of them may take {MAX_SECONDS} seconds at most, "
            f"not {samples} times {interval:g}"
        )
    if timeout < 1:
        module.fail_json(msg=f"timeout must be at least 1 second, not {timeout}")
    try:
        usage = call_bounded(lambda progress: watch(interval, samples, progress), interval * samples + timeout)
    except (ChildTimeout, ChildFailed) as exc:
        module.fail_json(msg=f"the usage of the node cannot be measured: {exc}")
    module.exit_json(changed=False, **usage)


if __name__ == "__main__":
    main()
