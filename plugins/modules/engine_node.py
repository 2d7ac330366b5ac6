#!/usr/bin/python
# Module: takes a node out of its scheduler for an owner, or gives back what that owner took.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_node
version_added: 0.1.0
short_description: Drain, empty or resume a node in Slurm or Kubernetes for an owner
description:
  - The reason of a drained node begins with its owner's mark. A node that somebody else took out is neither drained
    again nor resumed, and a node that is in service already is no change.
  - In Slurm that is the state C(drain) with its reason. In Kubernetes the node is cordoned, gets the taint
    C(aidc.ops/remediation) with the number of the case, and the reason as annotation C(aidc.ops/owner).
  - Which scheduler a node belongs to and how it is reached stands in the settings file of the controller. Kubernetes
    needs the Python library C(kubernetes).
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
    description: Name of the node in its scheduler.
    type: str
    required: true
  state:
    description:
      - V(drained) takes the node out of scheduling. What runs there goes on.
      - V(evicted) takes the work off a node that the owner has taken out, see O(force).
      - V(resumed) gives the node back.
    type: str
    required: true
    choices: [drained, evicted, resumed]
  token:
    description: The owner's mark.
    type: str
    required: true
  reason:
    description: What the scheduler shows as reason. It has to begin with O(token). Needed with O(state=drained).
    type: str
  force:
    description:
      - With V(true), O(state=evicted) ends all work, whatever it loses. Slurm queues those jobs again that allow it.
        Kubernetes evicts all pods, and deletes those that a PodDisruptionBudget protects, with their own grace period.
      - With V(false) only such work leaves that the scheduler moves without loss. That is none in Slurm. In Kubernetes
        it is the pods of replica sets and stateful sets, as far as their PodDisruptionBudgets allow at this moment; run
        the module again to go on. A warning names what is still there.
      - Pods of daemon sets and of the kubelet itself stay in any case.
    type: bool
    default: true
seealso:
  - module: aidc.ops.case_step
"""

EXAMPLES = r"""
- name: Take the node out
  aidc.ops.engine_node:
    name: gpu2
    state: drained
    token: aidc.ops:17
    reason: aidc.ops:17 gpu_fell_off_bus
  delegate_to: localhost

- name: Move what can be moved without loss
  aidc.ops.engine_node:
    name: gpu2
    state: evicted
    force: false
    token: aidc.ops:17
  delegate_to: localhost

- name: Give it back
  aidc.ops.engine_node:
    name: gpu2
    state: resumed
    token: aidc.ops:17
  delegate_to: localhost
"""

RETURN = r"""
node:
  description: The node as its scheduler shows it afterwards (in check mode, before).
  returned: success
  type: dict
  contains:
    states: {description: The scheduler's words for its state., type: list, elements: str, sample: [idle, drain]}
    reason: {description: The reason., type: str}
    out: {description: Whether it starts no job., type: bool}
    drained: {description: Whether it is out and runs no job., type: bool}
    jobs:
      description: What runs there, as job numbers of Slurm or namespace/name of pods.
      type: list
      elements: raw
waiting:
  description: Sentences about work that is still on the node, and why.
  returned: success
  type: list
  elements: str
foreign:
  description: Whether this failed because somebody else took the node out.
  returned: failure
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, Engine, EngineNode, open_engines
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, EngineError, ForeignDrainError


def read(engine: Engine, name: str) -> EngineNode:
    """The node; EngineError if its scheduler does not know it, or does not answer."""
    nodes = engine.nodes()
    if name not in nodes:
        unasked = "".join(f" {note}" for note in engine.notes())
        raise EngineError(f"The scheduler does not know {name}. Is the node there, under this name?{unasked}")
    return nodes[name]


def apply(engine: Engine, name: str, state: str, token: str, reason: str, force: bool) -> bool:
    """Brings the node into the state; whether that changed anything."""
    if state == "drained":
        return engine.drain([name], {name: reason})
    if state == "evicted":
        return engine.evict(name, token, force)
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
            "force": {"type": "bool", "default": True},
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
        engine = open_engines(console.settings_of(params["config"]), dry_run=module.check_mode)
        before = read(engine, name)
        changed = apply(engine, name, state, token, reason, params["force"])
        waiting = engine.notes() if state == "evicted" else []
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
    for sentence in waiting:
        module.warn(sentence)
    module.exit_json(changed=changed, node=shown(after), waiting=waiting, diff=diff)


if __name__ == "__main__":
    main()
