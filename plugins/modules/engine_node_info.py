#!/usr/bin/python
# Module: reports nodes as their scheduler sees them, and what runs there.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_node_info
version_added: 0.1.0
short_description: Report nodes as their scheduler sees them
description:
  - Asks the scheduler of each node, Slurm or Kubernetes, for its state and for what runs there.
  - Which scheduler a node has and how it is reached stands in the settings file of the controller.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._controller
options:
  names:
    description: The nodes, by the names that their scheduler has for them.
    type: list
    elements: str
    required: true
  jobs:
    description: Whether to return the jobs with their owners too.
    type: bool
    default: false
seealso:
  - module: aidc.ops.engine_node
"""

EXAMPLES = r"""
- name: Who has a job on the node?
  aidc.ops.engine_node_info:
    names: [gpu2]
    jobs: true
  delegate_to: localhost
  register: seen

- name: Say it
  ansible.builtin.debug:
    msg: "{{ seen.jobs | map(attribute='owner') | unique }}"
"""

RETURN = r"""
nodes:
  description: The nodes by name. One that no scheduler knows is an error.
  returned: success
  type: dict
  contains:
    NAME:
      description: One node.
      type: dict
      contains:
        states: {description: The scheduler's words for its state., type: list, elements: str, sample: [idle, drain]}
        reason: {description: Why it is out., type: str}
        out: {description: Whether it starts no job., type: bool}
        drained: {description: Whether it is out and runs no job., type: bool}
        jobs: {description: Ids of the jobs that run there., type: list, elements: raw}
notes:
  description: What the schedulers could not tell, a sentence each.
  returned: success
  type: list
  elements: str
jobs:
  description: The jobs on these nodes; null if they could not be read, and RV(notes) says why. Only with O(jobs=true).
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Id of the job., type: str}
    name: {description: Its name., type: str}
    owner: {description: Whose it is., type: str}
    nodes: {description: The nodes it runs on., type: list, elements: str}
    can_requeue: {description: Whether the scheduler starts it again elsewhere., type: bool}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import Engine, EngineNode, open_engines
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, EngineError


def shown(node: EngineNode) -> dict[str, Any]:
    """The node as the module returns it."""
    return {
        "states": list(node.states),
        "reason": node.reason,
        "out": node.out,
        "drained": node.drained,
        "jobs": list(node.jobs),
    }


def read(engine: Engine, names: list[str]) -> dict[str, Any]:
    """The nodes; EngineError for one that is not known."""
    found = engine.nodes()
    missing = [name for name in names if name not in found]
    if missing:
        raise EngineError(f"No scheduler knows {', '.join(missing)}, or that which should does not answer.")
    return {name: shown(found[name]) for name in names}


def jobs_on(engine: Engine, names: list[str], notes: list[str]) -> list[dict[str, Any]] | None:
    """The jobs on the nodes; None where they cannot be read, and then a note more."""
    try:
        found = engine.jobs(names)
    except EngineError as error:
        notes.append(f"The jobs are not known: {error}")
        return None
    return [
        {"id": job.id, "name": job.name, "owner": job.owner, "nodes": list(job.nodes), "can_requeue": job.can_requeue}
        for job in found
    ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "names": {"type": "list", "elements": "str", "required": True},
            "jobs": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    names = module.params["names"]
    try:
        engine = open_engines(console.settings_of(module.params["config"]), dry_run=True)
        answer: dict[str, Any] = {"nodes": read(engine, names)}
        answer["notes"] = list(engine.notes())
        if module.params["jobs"]:
            answer["jobs"] = jobs_on(engine, names, answer["notes"])
    except AidcOpsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
