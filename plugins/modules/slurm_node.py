#!/usr/bin/python
# Module: takes a node out of Slurm for an owner, or gives back what that owner took.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: slurm_node
version_added: 0.1.0
short_description: Drain or resume a Slurm node for an owner
description:
  - The reason of a drained node begins with its owner's mark. A node that somebody else took out is neither drained
    again nor resumed, and a node that is in service already is no change.
  - How Slurm is reached stands in the settings file of the controller.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of the node in Slurm.
    type: str
    required: true
  state:
    description:
      - V(drained) takes the node out of scheduling. Jobs that run there go on.
      - V(evicted) ends the jobs on a node that the owner has taken out. Slurm queues those again that allow it.
      - V(resumed) gives the node back.
    type: str
    required: true
    choices: [drained, evicted, resumed]
  token:
    description: The owner's mark.
    type: str
    required: true
  reason:
    description: What Slurm shows as reason. It has to begin with O(token). Needed with O(state=drained).
    type: str
seealso:
  - module: aidc.ops.case_step
"""

EXAMPLES = r"""
- name: Take the node out
  aidc.ops.slurm_node:
    name: gpu2
    state: drained
    token: aidc.ops:17
    reason: aidc.ops:17 gpu_fell_off_bus
  delegate_to: localhost

- name: Give it back
  aidc.ops.slurm_node:
    name: gpu2
    state: resumed
    token: aidc.ops:17
  delegate_to: localhost
"""

RETURN = r"""
node:
  description: The node as Slurm shows it afterwards (in check mode, before).
  returned: success
  type: dict
  contains:
    states: {description: Slurm's words for its state., type: list, elements: str, sample: [idle, drain]}
    reason: {description: The reason., type: str}
    out: {description: Whether it starts no job., type: bool}
    drained: {description: Whether it is out and runs no job., type: bool}
    jobs: {description: Jobs that run there., type: list, elements: int}
foreign:
  description: Whether this failed because somebody else took the node out.
  returned: failure
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, Engine, EngineNode, open_engine
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, EngineError, ForeignDrainError


def read(engine: Engine, name: str) -> EngineNode:
    """The node; EngineError if Slurm does not know it."""
    nodes = engine.nodes()
    if name not in nodes:
        raise EngineError(f"Slurm does not know {name}. Is the node in slurm.conf, under this name?")
    return nodes[name]


def apply(engine: Engine, name: str, state: str, token: str, reason: str) -> bool:
    """Brings the node into the state; whether that changed anything."""
    if state == "drained":
        return engine.drain([name], {name: reason})
    if state == "evicted":
        return engine.evict(name, token)
    return engine.resume(name, token)


def shown(node: EngineNode) -> dict[str, Any]:
    """The node as the module returns it."""
    return {
        "states": list(node.states),
        "reason": node.reason,
        "out": node.out,
        "drained": node.drained,
        "jobs": list(node.jobs),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "required": True, "choices": ["drained", "evicted", "resumed"]},
            "token": {"type": "str", "required": True, "no_log": False},
            "reason": {"type": "str"},
        },
        required_if=[("state", "drained", ["reason"])],
        supports_check_mode=True,
    )
    params = module.params
    name, state, token = params["name"], params["state"], params["token"]
    if not token.startswith(OWNER_PREFIX):
        module.fail_json(msg=f"token must begin with {OWNER_PREFIX}, not {token!r}", foreign=False)
    reason = params["reason"] or ""
    if state == "drained" and reason.split(" ")[0] != token:
        module.fail_json(msg=f"reason must begin with the token {token}, not {reason!r}", foreign=False)
    try:
        engine = open_engine(console.settings_of(params["config"]).engine, dry_run=module.check_mode)
        before = read(engine, name)
        changed = apply(engine, name, state, token, reason)
        after = read(engine, name) if changed and not module.check_mode else before
    except ForeignDrainError as error:
        module.fail_json(msg=str(error), foreign=True)
    except AidcOpsError as error:
        module.fail_json(msg=str(error), foreign=False)
    wanted = {"drained": reason, "evicted": before.reason, "resumed": ""}[state]
    diff = {
        "before": {"reason": before.reason},
        "after": {"reason": wanted if changed else before.reason},
    }
    module.exit_json(changed=changed, node=shown(after), diff=diff)


if __name__ == "__main__":
    main()
