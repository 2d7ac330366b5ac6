#!/usr/bin/python
# Module: takes, prolongs and gives back the leases of due cases.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_lease
version_added: 0.1.0
short_description: Take the due remediation cases for this run
description:
  - A lease keeps every other run away from a case. It names the process that holds it, so that the lease of a run that
    died is taken back at once, and it expires, so that one on another host is taken back in the end.
  - Only cases with a step that is due can be leased. What nobody else holds is returned in RV(cases).
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
      - Leasing again what the holder has already prolongs it.
options:
  state:
    description:
      - V(leased) takes the cases, and prolongs those that the holder has.
      - V(renewed) prolongs all leases of the holder.
      - V(released) gives all of them back.
    type: str
    choices: [leased, renewed, released]
    default: leased
  case_ids:
    description: The cases to take. Without it, all that are due.
    type: list
    elements: int
  holder:
    description:
      - Who holds the lease, as C(host:pid:starttime).
      - Without it, the C(ansible-playbook) process that runs this task.
    type: str
  seconds:
    description: How long the lease is valid from now on.
    type: int
    default: 1800
seealso:
  - module: aidc.ops.case_step
"""

EXAMPLES = r"""
- name: Take the cases that are due
  aidc.ops.case_lease:
    case_ids: "{{ case_ids }}"
  delegate_to: localhost
  register: taken

- name: Give them back
  aidc.ops.case_lease:
    state: released
    holder: "{{ taken.holder }}"
  delegate_to: localhost
"""

RETURN = r"""
holder:
  description: Who holds the leases.
  returned: success
  type: str
  sample: ctl:4711:1029384
count:
  description: How many leases were taken, prolonged or given back.
  returned: success
  type: int
cases:
  description: The leased cases, the one that is due longest first. Empty unless O(state=leased).
  returned: success
  type: list
  elements: dict
  contains:
    case_id: {description: Number of the case., type: int}
    node: {description: Inventory name of the node., type: str}
    step: {description: The step that is due., type: str}
    token: {description: Owner mark of the case., type: str, sample: 'aidc.ops:17'}
    reason: {description: Reason for the scheduler., type: str, sample: 'aidc.ops:17 gpu_fell_off_bus'}
    state: {description: State of the case., type: str}
    fault_class: {description: The fault class whose workflow rules., type: str}
    fault_classes: {description: All fault classes of the case., type: list, elements: str}
    devices: {description: All devices concerned., type: list, elements: str}
    scope: {description: 'C(node), or C(rack), C(leaf) or C(server) for a case of everything behind one.', type: str}
    action: {description: Strongest action that the device or its driver asked for., type: str}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console, holder
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "state": {"type": "str", "choices": ["leased", "renewed", "released"], "default": "leased"},
            "case_ids": {"type": "list", "elements": "int"},
            "holder": {"type": "str"},
            "seconds": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["seconds"] < 1:
        module.fail_json(msg=f"seconds must be at least 1, not {params['seconds']}")
    cases = []
    try:
        me = params["holder"] or holder.this_run()
        ledger = console.open_ledger(console.settings_of(params["config"]), module.check_mode)
        if params["state"] == "leased":
            cases = [case.as_dict() for case in ledger.lease(params["case_ids"], me, params["seconds"])]
            count = len(cases)
        elif params["state"] == "renewed":
            count = ledger.renew(me, params["seconds"])
        else:
            count = ledger.release(me)
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=count > 0, holder=me, count=count, cases=cases)


if __name__ == "__main__":
    main()
