#!/usr/bin/python
# Module: a person's word in remediation: pause, approve, cancel, re-arm.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_control
version_added: 0.1.0
short_description: Pause remediation, approve or cancel a case, re-arm the breaker
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
    support: full
options:
  action:
    description:
      - V(pause) stops all actions at once; what runs already is not interrupted. V(unpause) lets them go on.
      - V(approve) allows the next step of a case that waits for approval, or whose evidence has become old.
      - V(cancel) closes a case. The node stays as it is, so a node that is out stays out.
      - V(rearm) re-arms the breaker after it tripped.
    type: str
    required: true
    choices: [pause, unpause, approve, cancel, rearm]
  case_id:
    description: Number of the case. Needed with O(action=approve) and O(action=cancel).
    type: int
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError


def say(ledger: Ledger, action: str, case_id: int, by: str) -> bool:
    """Does what was asked; whether that changed anything."""
    if action in ("pause", "unpause"):
        return ledger.pause(action == "pause", by)
    if action == "approve":
        return ledger.approve(case_id, by)
    if action == "cancel":
        return ledger.cancel(case_id, by)
    return ledger.rearm(by)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "action": {
                "type": "str",
                "required": True,
                "choices": ["pause", "unpause", "approve", "cancel", "rearm"],
            },
            "case_id": {"type": "int"},
            "by": {"type": "str", "required": True},
        },
        required_if=[("action", "approve", ["case_id"]), ("action", "cancel", ["case_id"])],
        supports_check_mode=True,
    )
    params = module.params
    if not params["by"].strip():
        module.fail_json(msg="by must name who says so; it is empty")
    try:
        ledger = console.open_ledger(console.settings_of(params["config"]), module.check_mode)
        changed = say(ledger, params["action"], params["case_id"], params["by"])
        controls = ledger.controls()
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, controls=controls)


if __name__ == "__main__":
    main()
