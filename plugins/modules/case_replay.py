#!/usr/bin/python
# Module: replays what was recorded at a site, and tells what the loop would have done.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_replay
version_added: 0.1.0
short_description: Tell what the remediation loop would have done
description:
  - Replays recorded kernel lines and alerts in the order of time, with the real fault catalogue, ledger, gate and
    workflows and the settings of the site, and returns which cases would have opened, what the gate would have said and
    which steps would have followed.
  - Nothing is touched. The ledger of the replay is a temporary one whose clock follows the recording; the ledger and
    the scheduler of the settings are never opened.
  - The scheduler is pretended, with every node of the settings in service and empty once it is drained. Each step
    succeeds after its usual time, a reboot after seven minutes for example.
  - What was broken stays broken in a recording. A fault that comes back on a node after its pretended return counts
    anew, and is marked C(again) within a day; an alert that fires on is not taken up again.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._controller
options:
  kernel_lines:
    description:
      - Files of kernel lines as the collector of the control node writes them, one JSON object a line with C(node),
        C(from), C(boot), C(time) and C(line).
      - What the loop would refuse is refused here too, and counted.
    type: list
    elements: path
    default: []
  alerts:
    description:
      - Files of alerts as Alertmanager's API gives them. Either one JSON object a line, or one JSON list.
      - Each item is an alert with C(labels), C(startsAt) and C(endsAt), or a poll with C(time) (RFC 3339) and
        C(alerts), the list of all alerts that the API gave then. Between two polls nothing changes.
      - Silenced and inhibited alerts are left out.
    type: list
    elements: path
    default: []
  modes:
    description:
      - V(act) supposes that every action may act. V(as_set) takes the modes of the settings.
      - Modes of fault classes count in both, and so does a class about which only a person may decide.
    type: str
    choices: [act, as_set]
    default: act
  person_hours:
    description:
      - After that time a person approves what waits for approval, repairs and returns what is quarantined, and re-arms
        the breaker.
    type: float
    default: 24
  hours:
    description:
      - How long was recorded. Without it, from the first to the last entry. Needed for rates where a healthy site has
        few entries.
    type: float
seealso:
  - module: aidc.ops.case_info
  - module: aidc.ops.fault_class_info
"""

EXAMPLES = r"""
- name: What would the loop have done last week?
  aidc.ops.case_replay:
    kernel_lines: [/var/backups/kernel.jsonl.1, /var/backups/kernel.jsonl]
    alerts: [/var/backups/alerts.jsonl]
  delegate_to: localhost
  register: replay

- name: Show it
  ansible.builtin.debug:
    msg: "{{ replay.lines }}"
"""

RETURN = r"""
totals:
  description: Sums.
  returned: success
  type: dict
  contains:
    nodes: {description: Nodes of the settings., type: int}
    days: {description: How long was recorded., type: float}
    lines: {description: Kernel lines that were read., type: int}
    lines_no_fault: {description: Kernel lines that no fault class knows., type: int}
    alerts: {description: 'Alerts that were read, those of every poll.', type: int}
    polls: {description: Polls that were read., type: int}
    cut_off: {description: Last lines that were not whole., type: int}
    cases: {description: Cases that would have opened., type: int}
    drains: {description: Cases that would have taken their node out., type: int}
    drains_per_1000_node_days: {description: The same as a rate; null if no time passed., type: float}
classes:
  description: The same by fault class.
  returned: success
  type: dict
  contains:
    NAME:
      description: One class.
      type: dict
      contains:
        seen: {description: Kernel lines and alerts that are this fault., type: int}
        cases: {description: Cases that it rules., type: int}
        again: {description: Those of them that most likely are the fault before., type: int}
        drains: {description: Those of them that would have taken their node out., type: int}
        refused: {description: 'How many of them were refused that, by reason of the gate.', type: dict}
cases:
  description: The cases, oldest first. Times are in seconds since 1970.
  returned: success
  type: list
  elements: dict
  contains:
    case_id: {description: Number of the case in the replay., type: int}
    node: {description: Inventory name of the node., type: str}
    scope: {description: 'C(node), C(rack), C(leaf) or C(server).', type: str}
    fault_class: {description: The fault class whose workflow rules., type: str}
    fault_classes: {description: All fault classes of the case., type: list, elements: str}
    devices: {description: All devices concerned., type: list, elements: str}
    opened_at: {description: When it would have opened., type: float}
    closed_at: {description: When it would have closed; null if it would not., type: float}
    state: {description: Its state at the end., type: str}
    hold_text: {description: What it waits for at the end., type: str}
    drained_at: {description: When its node would have been taken out; null if never., type: float}
    again: {description: Whether the node had a case of that class within a day before., type: bool}
    decisions:
      description: Each answer of the gate that differs from the one before.
      type: list
      elements: dict
      contains:
        at: {description: When., type: float}
        step: {description: The step that was asked for., type: str}
        allowed: {description: Whether it was allowed., type: bool}
        reason: {description: Reason code; empty where it was allowed., type: str}
        text: {description: The same for people., type: str}
    steps:
      description: The steps that would have been done.
      type: list
      elements: dict
      contains:
        at: {description: When it would have ended., type: float}
        step: {description: The step., type: str}
        outcome: {description: How it ended., type: str, sample: done}
refused:
  description: What was not taken, by reason.
  returned: success
  type: dict
  contains:
    REASON:
      description: One reason, as in the metrics of the loop.
      type: dict
      contains:
        count: {description: How often., type: int}
        first: {description: The first one., type: str}
breaker:
  description: When the breaker would have tripped, and why.
  returned: success
  type: list
  elements: dict
  contains:
    at: {description: When., type: float}
    text: {description: Why., type: str}
lines:
  description: All that as text for a person.
  returned: success
  type: list
  elements: str
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console, replay_input, replay_report
from ansible_collections.aidc.ops.plugins.module_utils._cases.replay import Replay, supposing
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError

# A ledger that nobody needs afterwards does not have to be on a disk.
MEMORY = "/dev/shm"  # noqa: S108


def replay(params: dict[str, Any]) -> dict[str, Any]:
    """Reads, replays, and tells."""
    settings = console.settings_of(params["config"])
    recording = replay_input.read(params["kernel_lines"], params["alerts"], settings)
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        supposed = supposing(settings, os.path.join(folder, "ledger.sqlite"), params["modes"] == "act")
        outcome = Replay(recording, supposed, params["person_hours"] * 3600).run()
    answer = replay_report.data(outcome, len(settings.nodes), params["hours"])
    return {**answer, "lines": replay_report.lines(answer)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "kernel_lines": {"type": "list", "elements": "path", "default": []},
            "alerts": {"type": "list", "elements": "path", "default": []},
            "modes": {"type": "str", "choices": ["act", "as_set"], "default": "act"},
            "person_hours": {"type": "float", "default": 24.0},
            "hours": {"type": "float"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not params["kernel_lines"] and not params["alerts"]:
        module.fail_json(msg="nothing to replay; name files in kernel_lines or alerts")
    for name in ("person_hours", "hours"):
        if params[name] is not None and params[name] <= 0:
            module.fail_json(msg=f"{name} must be above 0, not {params[name]}")
    try:
        answer = replay(params)
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
