#!/usr/bin/python
# Module: a person's word in remediation: pause, approve, cancel, re-arm.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_control
version_added: 0.1.0
short_description: Pause remediation, approve or cancel a case, leave something alone, re-arm the breaker
description:
  - What a person can say to the loop. Everything is kept in the audit trail with the name of who said it.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Opting out again begins the time anew, unless that is less than a minute later.
options:
  action:
    description:
      - V(pause) stops all actions at once; what runs already is not interrupted. V(unpause) lets them go on.
      - V(approve) allows the next step of a case that waits for approval, or whose evidence has become old. An
        approval that was not used expires, after a day unless the settings say otherwise.
      - V(cancel) closes a case. The node stays as it is, so a node that is out stays out.
      - V(rearm) re-arms the breaker after it tripped.
      - V(opt_out) leaves O(node) or O(fault_class) alone for O(seconds). Nothing is done about a node then, and
        nothing new about a fault class; what a case of that class has taken out may still return.
      - V(opt_in) ends that before its time.
    type: str
    required: true
    choices: [pause, unpause, approve, cancel, rearm, opt_out, opt_in]
  case_id:
    description: Number of the case. Needed with O(action=approve) and O(action=cancel).
    type: int
  node:
    description: Inventory name of the node to leave alone.
    type: str
  fault_class:
    description: Fault class to leave alone.
    type: str
  seconds:
    description: How long, from now on. Needed with O(action=opt_out).
    type: float
  reason:
    description: Why, for those who look at it later. Needed with O(action=opt_out).
    type: str
  by:
    description: Who says so.
    type: str
    required: true
seealso:
  - module: aidc.ops.case_info
"""

EXAMPLES = r"""
- name: Stop everything
  aidc.ops.case_control:
    action: pause
    by: night shift
  delegate_to: localhost

- name: Allow what case 17 asks for
  aidc.ops.case_control:
    action: approve
    case_id: 17
    by: night shift
  delegate_to: localhost

- name: Leave a node alone for two hours
  aidc.ops.case_control:
    action: opt_out
    node: gpu2
    seconds: 7200
    reason: its power supply is being changed
    by: night shift
  delegate_to: localhost
"""

RETURN = r"""
controls:
  description: The switches of the loop afterwards.
  returned: success
  type: dict
  contains:
    paused_by: {description: Who paused all actions; null if they are not paused., type: str}
    paused_at: {description: When., type: float}
    breaker: {description: Why the breaker tripped; null if it did not., type: str}
    breaker_at: {description: When., type: float}
opt_outs:
  description: The nodes and fault classes that are left alone afterwards.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: What it is., type: str, sample: node}
    name: {description: Name of the node or of the fault class., type: str}
    until: {description: Until when., type: float}
    by: {description: Who wants that., type: str}
    reason: {description: Why., type: str}
    at: {description: Since when., type: float}
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError


def say(ledger: Ledger, params: dict[str, Any]) -> bool:
    """Does what was asked; whether that changed anything."""
    action, by = params["action"], params["by"]
    if action in ("pause", "unpause"):
        return ledger.pause(action == "pause", by)
    if action == "approve":
        return ledger.approve(params["case_id"], by)
    if action == "cancel":
        return ledger.cancel(params["case_id"], by)
    if action == "rearm":
        return ledger.rearm(by)
    kind, name = ("node", params["node"]) if params["node"] else ("class", params["fault_class"])
    if action == "opt_in":
        return ledger.end_opt_out(kind, name, by)
    return ledger.opt_out(kind, name, time.time() + params["seconds"], by, params["reason"])


def unknown_name(settings: Settings, params: dict[str, Any]) -> str | None:
    """What is wrong with the name of what should be left alone: a name that nobody bears protects nothing."""
    if params["action"] != "opt_out":
        return None
    if params["node"] is not None and params["node"] not in settings.nodes:
        return f"node: {params['node']!r:.80} is not a node of the settings file"
    if params["fault_class"] is not None and params["fault_class"] not in settings.catalogue.classes:
        return f"fault_class: {params['fault_class']!r:.80} is not a class of the fault catalogue"
    if params["seconds"] <= 0:
        return f"seconds must be above 0, not {params['seconds']}"
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "action": {
                "type": "str",
                "required": True,
                "choices": ["pause", "unpause", "approve", "cancel", "rearm", "opt_out", "opt_in"],
            },
            "case_id": {"type": "int"},
            "node": {"type": "str"},
            "fault_class": {"type": "str"},
            "seconds": {"type": "float"},
            "reason": {"type": "str"},
            "by": {"type": "str", "required": True},
        },
        required_if=[
            ("action", "approve", ["case_id"]),
            ("action", "cancel", ["case_id"]),
            ("action", "opt_out", ["seconds", "reason"]),
            ("action", "opt_out", ["node", "fault_class"], True),
            ("action", "opt_in", ["node", "fault_class"], True),
        ],
        mutually_exclusive=[("node", "fault_class")],
        supports_check_mode=True,
    )
    params = module.params
    if not params["by"].strip():
        module.fail_json(msg="by must name who says so; it is empty")
    try:
        settings = console.settings_of(params["config"])
        wrong = unknown_name(settings, params)
        if wrong is not None:
            module.fail_json(msg=wrong)
        ledger = console.open_ledger(settings, module.check_mode)
        changed = say(ledger, params)
        answer = {"controls": ledger.controls(), "opt_outs": ledger.opt_outs()}
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, **answer)


if __name__ == "__main__":
    main()
