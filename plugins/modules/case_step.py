#!/usr/bin/python
# Module: begins and finishes one step of a leased case.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: case_step
version_added: 0.1.0
short_description: Begin or finish a step of a remediation case
description:
  - Before a step acts, it begins here. The gate is asked, the attempt is counted in the ledger, and only then the
    answer says to proceed. Afterwards it finishes here, and the answer says what comes next.
  - If the run dies in between, the next one is answered with RV(resumed=true). It has to find out first whether the
    action happened, and act only when it certainly did not.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
attributes:
  check_mode:
    support: full
    details:
      - The gate answers as it would, and nothing is counted.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Beginning again resumes the attempt instead of counting a new one. Finishing again with the same outcome is no
        error.
options:
  case_id:
    description: Number of the case, as M(aidc.ops.case_lease) returned it.
    type: int
    required: true
  step:
    description: The step.
    type: str
    required: true
    choices:
      - await_idle
      - cordon
      - evidence
      - drain
      - validate
      - resume
      - await_clear
      - notify
      - scale_out
      - failover
      - ticket
      - restart_service
      - clean
      - port_reset
      - bmc_reset
      - remount
      - reload_driver
      - converge
      - reset
      - reset_group
      - fsck
      - reboot
      - power_cycle
      - swap_spare
  phase:
    description: Whether the step begins or finishes.
    type: str
    required: true
    choices: [begin, finish]
  outcome:
    description:
      - How the step ended. Needed with O(phase=finish).
      - V(waiting) means to look again after O(recheck_seconds). After the deadline it counts as V(failed).
      - V(refused) means that the scheduler or the node did not allow it, and nothing was done.
    type: str
    choices: [done, failed, waiting, refused]
  detail:
    description:
      - What is worth keeping in the audit trail. Never put a secret here.
      - C(text) is a sentence for people. C(boot) is a boot identity seen on the node; the ledger learns it, and
        needs it to tell old kernel lines from new ones. C(reason_code) says why a step was refused.
      - C(reached) is V(false) for a step that failed before anything was asked of the node or its hardware. It then
        does not count against the limits of a day.
    type: dict
    default: {}
  recheck_seconds:
    description: With O(outcome=waiting), after how many seconds to look again.
    type: float
  holder:
    description:
      - Who holds the lease of the case.
      - Without it, the C(ansible-playbook) process that runs this task.
    type: str
seealso:
  - module: aidc.ops.case_lease
"""

EXAMPLES = r"""
- name: Ask to reboot
  aidc.ops.case_step:
    case_id: 17
    step: reboot
    phase: begin
  delegate_to: localhost
  register: granted

- name: Reboot
  aidc.ops.node_reboot:
    token: "{{ granted.context.attempt_token }}"
    boot_before: "{{ granted.context.boot_before }}"
  become: true
  when: granted.proceed

- name: Look again in ten seconds
  aidc.ops.case_step:
    case_id: 17
    step: reboot
    phase: finish
    outcome: waiting
    recheck_seconds: 10
  delegate_to: localhost
  when: granted.proceed
"""

RETURN = r"""
proceed:
  description: Whether the step may act now.
  returned: O(phase=begin)
  type: bool
resumed:
  description: Whether the step was begun before and nobody said how it ended. Verify first.
  returned: O(phase=begin)
  type: bool
reason:
  description: Why not, as a code. Empty if the step may proceed.
  returned: O(phase=begin)
  type: str
  sample: budget_percent
text:
  description: The same for people.
  returned: O(phase=begin)
  type: str
attempt:
  description: The how manieth attempt at this step in this case it is.
  returned: O(phase=begin)
  type: int
deadline:
  description: When waiting begins to count as failed, in seconds since 1970; null if the step may not proceed.
  returned: O(phase=begin)
  type: float
context:
  description: What the step needs in order to act. Empty if it may not proceed.
  returned: O(phase=begin)
  type: dict
  contains:
    node: {description: Inventory name of the node., type: str}
    token: {description: Owner mark of the case., type: str}
    attempt_token: {description: Name of this attempt., type: str, sample: 'aidc.ops:17:reboot:41'}
    reason: {description: Reason for the scheduler., type: str}
    fault_class: {description: The fault class whose workflow rules., type: str}
    fault_classes: {description: All fault classes of the case., type: list, elements: str}
    devices: {description: Devices of the ruling fault class., type: list, elements: str}
    all_devices: {description: All devices of the case., type: list, elements: str}
    validation: {description: Name of the validation set of the ruling class., type: str}
    validations:
      description:
        - Validation sets that have to pass, that of the ruling class first. None is named that another one includes.
      type: list
      elements: str
    boot_before: {description: Newest boot identity that was known when the attempt began., type: str}
    cleared: {description: Whether whatever reported the fault has taken it back., type: bool}
    force: {description: Whether a drain may end the jobs now., type: bool}
    drained: {description: Whether the node is out and runs no job; null if that is unknown., type: bool}
    jobs: {description: Jobs that run on the node., type: list, elements: raw}
    foreign: {description: Whether somebody else took the node out., type: bool}
    opened_at: {description: When the case was opened., type: float}
    began_at: {description: When this attempt began., type: float}
    scope: {description: 'C(node), or C(rack), C(leaf) or C(server) for a case of everything behind one.', type: str}
    location: {description: Part of the device or of the fabric that the fault names., type: str, sample: link14}
    codes: {description: Error codes that were seen., type: list, elements: int, sample: [79]}
    action: {description: Strongest action that the device or its driver asked for., type: str, sample: reset}
    repairs: {description: 'Repairs that the case may go through, weakest first.', type: list, elements: str}
    rung: {description: The repair that this step is; empty for all other steps., type: str}
    drain: {description: 'How the node is drained: C(idle), C(wait), C(deadline) or C(now).', type: str}
    preview: {description: The steps of the way where all goes well., type: list, elements: str}
    nodes: {description: The nodes that show the fault., type: list, elements: str}
    spares: {description: Spare nodes that could take the place of this one., type: list, elements: str}
next_step:
  description: The step that follows; null if there is none.
  returned: O(phase=finish)
  type: str
due_at:
  description: When it is due, in seconds since 1970; null if it waits for a person or there is none.
  returned: O(phase=finish)
  type: float
due_now:
  description: Whether it can begin at once.
  returned: O(phase=finish)
  type: bool
state:
  description: State of the case.
  returned: O(phase=finish)
  type: str
  sample: open
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console, holder
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import STEPS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_engines
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, EngineError


def begin(module: AnsibleModule, ledger: Ledger, settings: Settings, me: str) -> dict:
    """Answer of O(phase=begin)."""
    try:
        engine = open_engines(settings)
        nodes = engine.nodes()
        for note in engine.notes():
            module.warn(note)
    except EngineError as error:
        # The gate refuses what depends on the scheduler, and the rest can go on.
        module.warn(str(error))
        nodes = None
    grant = ledger.begin_step(module.params["case_id"], module.params["step"], me, settings, nodes)
    return {"changed": grant.proceed and not grant.resumed, **grant.as_dict()}


def finish(module: AnsibleModule, ledger: Ledger, settings: Settings, me: str) -> dict:
    """Answer of O(phase=finish)."""
    following = ledger.finish_step(
        module.params["case_id"],
        module.params["step"],
        me,
        module.params["outcome"],
        module.params["detail"],
        settings,
        module.params["recheck_seconds"],
    )
    due_now = following.step is not None and following.due_at is not None and following.due_at <= time.time()
    return {
        "changed": True,
        "next_step": following.step,
        "due_at": following.due_at,
        "due_now": due_now,
        "state": following.state,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "case_id": {"type": "int", "required": True},
            "step": {"type": "str", "required": True, "choices": list(STEPS)},
            "phase": {"type": "str", "required": True, "choices": ["begin", "finish"]},
            "outcome": {"type": "str", "choices": ["done", "failed", "waiting", "refused"]},
            "detail": {"type": "dict", "default": {}},
            "recheck_seconds": {"type": "float"},
            "holder": {"type": "str"},
        },
        required_if=[("phase", "finish", ["outcome"])],
        supports_check_mode=True,
    )
    try:
        settings = console.settings_of(module.params["config"])
        ledger = console.open_ledger(settings, module.check_mode)
        me = module.params["holder"] or holder.this_run()
        answer = (begin if module.params["phase"] == "begin" else finish)(module, ledger, settings, me)
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
