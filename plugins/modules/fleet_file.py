#!/usr/bin/python
# Module: writes the hardware records of a run to a fleet file. The code is in plugins/action/fleet_file.py.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_file
version_added: 0.1.0
short_description: Write the hardware records of a run to a fleet file
description:
  - Writes JSON Lines on the controller, one hardware record in each line. The file appears as a whole or not at all.
  - The link O(latest) is what inventories and planners read. It never moves by itself to a fleet that has lost a node.
    Neither does it move while a host in O(absent) gave no record. O(if_smaller) says otherwise.
  - New readings (temperatures, free space, the time) alone are no change, and a file that differs in nothing else is
    left as it is. So give each run a file of its own name where its time matters.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows one line for each node, against the fleet that O(latest) leads to.
  idempotent:
    support: full
options:
  records:
    description:
      - The records, as RV(aidc.ops.hardware_record#module:record).
      - None at all is an error, and so are two of one node.
    type: list
    elements: dict
    required: true
  path:
    description: The file on the controller. Its directory is made if needed.
    type: path
    required: true
  mode:
    description: Mode of the file, as an octal number in quotes.
    type: raw
    default: '0644'
  latest:
    description: Link to the newest whole fleet.
    type: path
  absent:
    description: Hosts that were asked and gave no record.
    type: list
    elements: str
    default: []
  if_smaller:
    description:
      - What happens where a host is O(absent), or a node that O(latest) has is not among O(records).
      - V(keep) writes the file and leaves O(latest) where it leads.
      - V(carry_over) takes the records of the missing nodes over from O(latest), with the time of their collection.
      - V(replace) lets O(latest) lead to the smaller fleet.
    type: str
    choices: [keep, carry_over, replace]
    default: keep
notes:
  - Runs in Ansible itself, on the controller, without a connection. It needs no C(delegate_to).
seealso:
  - module: aidc.ops.hardware_record
  - plugin: aidc.ops.fleet
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Write the fleet
  aidc.ops.fleet_file:
    records: "{{ ansible_play_hosts | map('extract', hostvars, ['hardware', 'record']) }}"
    path: /var/lib/aidc_ops/fleet/{{ now(utc=true, fmt='%Y%m%dT%H%M%SZ') }}.jsonl
    latest: /var/lib/aidc_ops/fleet/latest.jsonl
    absent: "{{ ansible_play_hosts_all | difference(ansible_play_hosts) }}"
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
nodes:
  description: How many nodes the file has.
  returned: success
  type: int
absent:
  description: Hosts that gave no record.
  returned: success
  type: list
  elements: str
gone:
  description: Nodes that O(latest) had and that are not among O(records).
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Stable id of the node., type: str, sample: 'dmi:SN0042'}
    hostname: {description: Name of the node., type: str, sample: gpu1}
carried:
  description: Those of them whose former records were written again, with the keys of RV(gone).
  returned: success
  type: list
  elements: dict
latest:
  description: The link; null if none is wanted.
  returned: success
  type: str
latest_moved:
  description: Whether the link leads to another file than before.
  returned: success
  type: bool
latest_kept_back:
  description: Whether the link stays where it was because the fleet is smaller.
  returned: success
  type: bool
"""
