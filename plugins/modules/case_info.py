#!/usr/bin/python
# Module: reports remediation cases, their history and the switches of the loop.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_info
version_added: 0.1.0
short_description: Report remediation cases
description:
  - Reads cases from the ledger, on request with everything that happened to them.
  - Texts of signals are foreign text. They are returned as they came, so never use them as a template or a command.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._controller
options:
  case_id:
    description: Only this case.
    type: int
  state:
    description: Only cases in this state.
    type: str
    choices: [open, held, quarantined, returned, resolved, observed, cancelled]
  timeline:
    description: Whether to return the history of each case too.
    type: bool
    default: false
seealso:
  - module: aidc.ops.case_control
"""

EXAMPLES = r"""
- name: Which nodes wait for a person?
  aidc.ops.case_info:
    state: quarantined
  delegate_to: localhost
  register: waiting

- name: What happened in case 17?
  aidc.ops.case_info:
    case_id: 17
    timeline: true
  delegate_to: localhost
"""

RETURN = r"""
cases:
  description: The cases, oldest first. Times are in seconds since 1970.
  returned: success
  type: list
  elements: dict
  contains:
    case_id: {description: Number of the case., type: int}
    node: {description: Inventory name of the node., type: str}
    node_id: {description: Stable identity of the node., type: str}
    state: {description: State of the case., type: str}
    step: {description: Next step; null if there is none., type: str}
    due_at: {description: When it is due; null if it waits for a person., type: float}
    hold_reason: {description: Why a held case waits., type: str}
    hold_text: {description: The same for people., type: str}
    fault_class: {description: The fault class whose workflow rules., type: str}
    fault_classes: {description: All fault classes of the case., type: list, elements: str}
    devices: {description: All devices concerned., type: list, elements: str}
    token: {description: Owner mark of the case., type: str}
    reason: {description: Reason for the scheduler., type: str}
    opened_at: {description: When it was opened., type: float}
    updated_at: {description: When it changed last., type: float}
    closed_at: {description: When it was closed; null while it is open., type: float}
    outcome: {description: How it was closed; null while it is open., type: str}
    lease_holder: {description: Who works on it., type: str}
    lease_expires_at: {description: Until when., type: float}
    scope: {description: 'C(node), or C(rack), C(leaf) or C(server) for a case of everything behind one.', type: str}
    action: {description: Strongest action that the device or its driver asked for., type: str}
    approved_by: {description: Who approved a step of it last., type: str}
    approved_at: {description: When., type: float}
    preview:
      description: The steps of the whole way where all goes well. Empty if the catalogue has the class no more.
      type: list
      elements: str
    ticket:
      description: Its ticket; null if it has none.
      type: dict
      contains:
        case_id: {description: Number of the case., type: int}
        reference: {description: Name of the ticket in its back end., type: str}
        backend: {description: Where it is kept., type: str, sample: file}
        opened_at: {description: When it was opened., type: float}
        updated_at: {description: When it changed last., type: float}
        closed_at: {description: When it was closed; null while it is open., type: float}
    schema_version: {description: Version of this shape., type: int, sample: 1}
    faults:
      description: What was seen, and how often.
      type: list
      elements: dict
      contains:
        schema_version: {description: Version of this shape., type: int, sample: 1}
        node_id: {description: Stable identity of the node., type: str}
        fault_class: {description: Its fault class., type: str}
        device: {description: The device., type: str, sample: 'gpu:0000:1b:00'}
        boot: {description: Boot identity of the node then; null if unknown., type: str}
        first_seen: {description: When it was first seen., type: float}
        last_seen: {description: When it was last seen., type: float}
        signals: {description: How many signals there were., type: int}
        case_id: {description: Number of the case., type: int}
        action: {description: Strongest action that was asked for., type: str}
        location: {description: Part of the device or of the fabric., type: str}
        acting: {description: Whether it asks for something; false for what is only recorded., type: bool}
    timeline:
      description: What happened, in order. Only with O(timeline=true).
      type: list
      elements: dict
      contains:
        at: {description: When., type: float}
        kind: {description: What kind of event it is., type: str, sample: begun}
        step: {description: The step it belongs to., type: str}
        text: {description: What happened; for signals the foreign text., type: str}
        detail: {description: More data., type: dict}
controls:
  description: The switches of the loop.
  returned: success
  type: dict
  contains:
    paused_by: {description: Who paused all actions; null if they are not paused., type: str}
    paused_at: {description: When., type: float}
    breaker: {description: Why the breaker tripped; null if it did not., type: str}
    breaker_at: {description: When., type: float}
opt_outs:
  description: The nodes and fault classes that are left alone now.
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
heartbeats:
  description: When each source of signals was last known to work.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import CLOSED_STATES, OPEN_STATES, Case
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.workflow import preview
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError


def describe(ledger: Ledger, settings: Settings, case: Case, timeline: bool) -> dict:
    """One case as the module returns it."""
    ruling = settings.catalogue.classes.get(case.fault_class)
    answer = {
        **case.as_dict(),
        "faults": [fault.as_dict() for fault in ledger.faults(case.id)],
        "preview": preview(ruling, case.action) if ruling is not None else [],
        "ticket": ledger.ticket(case.id),
    }
    if timeline:
        answer["timeline"] = [event.as_dict() for event in ledger.timeline(case.id)]
    return answer


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "case_id": {"type": "int"},
            "state": {"type": "str", "choices": [*OPEN_STATES, *CLOSED_STATES]},
            "timeline": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    case_id, state = module.params["case_id"], module.params["state"]
    try:
        settings = console.settings_of(module.params["config"])
        ledger = console.read_ledger(settings)
        found = ledger.cases(state) if case_id is None else [ledger.case(case_id)]
        answer = {
            "cases": [
                describe(ledger, settings, case, module.params["timeline"])
                for case in found
                if state in (None, case.state)
            ],
            "controls": ledger.controls(),
            "opt_outs": ledger.opt_outs(),
            "heartbeats": ledger.heartbeats(),
        }
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
