#!/usr/bin/python
# Module: compares a node with its baseline. The code is in plugins/action/hardware_baseline.py.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hardware_baseline
version_added: 0.1.0
short_description: Compare the hardware record of a node with its baseline
description:
  - The baseline of a node is a hardware record that somebody accepted. The controller keeps one file for each name in
    the inventory, so another machine under a known name is a change.
  - Nothing becomes a baseline by itself. Without one, only what needs none is found, such as a PCIe link that is
    narrower than its device is made for.
  - A record in which a part could not be read, or a GPU is lost or cannot be read, is refused as a baseline.
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
options:
  record:
    description: The record that was found, as RV(aidc.ops.hardware_record#module:record).
    type: dict
    required: true
  dir:
    description: Directory on the controller with the baselines. It is made if needed.
    type: path
    required: true
  name:
    description: Name of the node, usually C(inventory_hostname).
    type: str
    required: true
  accept:
    description: Make the record the baseline if the node has none.
    type: bool
    default: false
  replace:
    description: Make the record the baseline also where it differs from the one that the node has.
    type: bool
    default: false
  own_maximum:
    description: As O(aidc.ops.hardware_diff#filter:own_maximum).
    type: bool
    default: true
  mode:
    description: Mode of the file, as an octal number in quotes.
    type: raw
    default: '0644'
notes:
  - Runs in Ansible itself, on the controller, without a connection. It needs no C(delegate_to).
  - The findings are those against the baseline as it was before.
seealso:
  - module: aidc.ops.hardware_record
  - plugin: aidc.ops.hardware_diff
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Compare the node with its baseline
  aidc.ops.hardware_baseline:
    record: "{{ hardware.record }}"
    dir: /var/lib/aidc_ops/baselines
    name: "{{ inventory_hostname }}"
  register: compared

- name: Stop if something is missing
  ansible.builtin.assert:
    that: compared.findings.missing | length == 0
    fail_msg: "{{ compared.findings.missing | map(attribute='message') | join('; ') }}"
"""

RETURN = r"""
name:
  description: Name of the node.
  returned: success
  type: str
node_id:
  description: Stable id of the node; null if nobody could tell it.
  returned: success
  type: str
path:
  description: File of the baseline.
  returned: success
  type: str
baseline:
  description:
    - V(none) if there is none, V(kept) if it is as it was.
    - V(accepted) or V(replaced) if the record is the baseline now, V(refused) if it was to be and may not.
  returned: success
  type: str
refused:
  description: Why the record may not become the baseline.
  returned: success
  type: list
  elements: str
findings:
  description: As P(aidc.ops.hardware_diff#filter) returns them.
  returned: success
  type: dict
  contains:
    missing: {description: Devices that are gone., type: list, elements: dict}
    added: {description: Devices that were not there., type: list, elements: dict}
    changed: {description: What is different and no loss., type: list, elements: dict}
    degraded: {description: What is narrower or slower or smaller or has other firmware., type: list, elements: dict}
    unknown: {description: What only one of both tells., type: list, elements: dict}
problems:
  description: What could not be read, as RV(aidc.ops.hardware_record#module:record.problems).
  returned: success
  type: list
  elements: dict
"""
