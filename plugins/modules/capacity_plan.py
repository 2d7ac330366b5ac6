#!/usr/bin/python
# Module: plans which workload runs where, with a proof of how good the plan is.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_plan
version_added: 0.1.0
short_description: Plan which workload runs where, with a proof
description:
  - Takes a fleet, what asks for it and what is wanted, and returns one plan for all of it. The plan says how far it is
    at most from the best that any plan could reach, why each copy is where it is, and why what is refused is refused.
  - Nothing is done to a scheduler. The plan is data.
  - What a problem looks like is published as C(docs/schemas/capacity_problem.schema.json).
  - Each plan is checked by a second program before it is returned.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the placements that O(dest) has and will have.
  idempotent:
    support: full
    details:
      - The same problem has the same plan, unless time ran out, which the plan then says.
options:
  problem:
    description: The problem. Either this or O(path).
    type: dict
  path:
    description: A JSON file with the problem.
    type: path
  strategy:
    description:
      - V(optimal) is exact and needs C(highspy). Without it the best of some others is taken; RV(plan.note) says so.
      - The others are there to compare with, and for sites without C(highspy). They give no bound.
    type: str
    choices:
      - optimal
      - first_fit
      - best_fit
      - dot_product
      - consolidate
      - fragmentation_gradient
      - fragmentation_gradient_by_size
      - earliest_deadline
      - cost_weights
      - priority_bidding
      - simulated_annealing
      - genetic
      - ant_colony
    default: optimal
  seconds:
    description: Give the best plan found after that time.
    type: float
    default: 60
  cost_weights:
    description: What V(cost_weights) and V(priority_bidding) of O(strategy) count for each resource.
    type: dict
    suboptions:
      cpu: {description: A core., type: float, default: 1.0}
      memory: {description: A GiB of memory., type: float, default: 0.1}
      network: {description: A Gbit/s., type: float, default: 0.1}
      gpu: {description: A GPU., type: float, default: 20.0}
  fail_nodes:
    description: What if these nodes fail.
    type: list
    elements: str
    default: []
  scale_projects:
    description: What if these projects ask for that many times as much. Copies are rounded up, gangs repeated whole.
    type: dict
    default: {}
  power_off:
    description: Leave as many nodes free as possible, by their power. RV(plan.idle_nodes) can be off.
    type: bool
    default: false
  buy:
    description: Say which nodes of the offers of the problem would hold what is refused. Takes as much time once more.
    type: bool
    default: false
  dest:
    description: A file to which the plan is written as JSON.
    type: path
requirements:
  - numpy
  - highspy, for V(optimal) of O(strategy)
notes:
  - Runs on the control node.
seealso:
  - module: aidc.ops.capacity_forecast
"""

EXAMPLES = r"""
- name: Plan what is in a file, and keep the plan
  aidc.ops.capacity_plan:
    problem: "{{ lookup('ansible.builtin.file', 'site.yml') | from_yaml }}"
    dest: /var/lib/aidc_ops/plan.json
  delegate_to: localhost
  register: capacity

- name: Say what is refused, and why
  ansible.builtin.debug:
    msg: "{{ item.workload }}: {{ item.reason }}"
  loop: "{{ capacity.plan.refused }}"
  loop_control:
    label: "{{ item.workload }}"

- name: What if two nodes fail while a project doubles, and what should be bought then?
  aidc.ops.capacity_plan:
    path: /etc/aidc_ops/capacity.json
    fail_nodes: [gpu-a01, gpu-a02]
    scale_projects: {vision: 2}
    buy: true
  delegate_to: localhost

- name: Which nodes can be off tonight?
  aidc.ops.capacity_plan:
    path: /etc/aidc_ops/capacity.json
    power_off: true
  delegate_to: localhost
  register: tonight
"""

RETURN = r"""
plan:
  description: The plan.
  returned: success
  type: dict
  contains:
    schema_version: {description: Version of the form of the plan., type: int}
    strategy: {description: The strategy that made it., type: str}
    note: {description: What has to be known about it; empty where nothing has., type: str}
    seconds: {description: How long it took., type: float}
    gap_percent: {description: The largest gap of the stages; null without a bound., type: float}
    objectives: {description: What the plan reached of each objective., type: list, elements: dict}
    stages:
      description: What each objective reached, and the bound that no plan exceeds that is as good in those before it.
      type: list
      elements: dict
      contains:
        objective: {description: The objective., type: str}
        value: {description: What the plan reached., type: float}
        bound: {description: What no plan exceeds., type: float}
        gap_percent: {description: How far these are apart., type: float}
        in_time: {description: Whether the search came to its end., type: bool}
    placements:
      description: One entry for each copy.
      type: list
      elements: dict
      contains:
        workload: {description: The workload., type: str}
        node: {description: Its node., type: str}
        gpus: {description: The numbers of its GPUs there., type: list, elements: int}
        reason: {description: Why there., type: str}
    refused:
      description: What is not placed.
      type: list
      elements: dict
      contains:
        workload: {description: The workload., type: str}
        missing: {description: How many of its copies., type: int}
        reason: {description: The smallest reason., type: str}
        nearest: {description: The node that lacks least; empty where that is not the reason., type: str}
        lacks: {description: What would have to be freed there., type: dict}
    idle_nodes: {description: Nodes in service that hold nothing., type: list, elements: str}
    nodes_used: {description: Nodes that hold something., type: int}
    gpus_in_service: {description: GPUs of nodes in service., type: int}
    gpus_allocated: {description: GPUs in use., type: float}
    kilowatts: {description: Power of the nodes in use by the figures of the problem., type: float}
    price_per_hour: {description: Price of the nodes in use., type: float}
    moves: {description: Copies that run now and will not run where they do., type: int}
    fleet:
      description: The nodes that the plan was made for.
      type: list
      elements: dict
      contains:
        name: {description: Its name., type: str}
        gpus: {description: Its GPUs., type: int}
        gpu_model: {description: Model of the GPUs., type: str}
        in_service: {description: Whether it was in service., type: bool}
    projects:
      description: What each project asks for and gets; without name what belongs to none.
      type: list
      elements: dict
      contains:
        project: {description: The project., type: str}
        gpus_asked: {description: GPUs that its workloads ask for., type: float}
        gpus_allocated: {description: GPUs that the plan gives it., type: float}
        gpus_quota: {description: Its quota in GPUs; null without one., type: float}
    reserve:
      description: What is kept free for failures in each rack.
      type: list
      elements: dict
      contains:
        rack: {description: The rack., type: str}
        nodes: {description: Its nodes in service., type: int}
        kept_free: {description: The nodes that the plan leaves free., type: list, elements: str}
        gpus_kept_free: {description: Their GPUs., type: int}
    mig_layouts:
      description: How MIG cuts the GPUs in use of nodes where a plan may cut them.
      type: list
      elements: dict
      contains:
        node: {description: The node., type: str}
        gpu: {description: The number of the GPU there., type: int}
        profiles: {description: The profiles of its instances; none where it is used whole., type: list, elements: str}
    power_choices:
      description:
        - The power limit of each GPU model under each class of work that may use it. None unless the problem asks for
          limits, by C(policy.power_limits).
      type: list
      elements: dict
      contains:
        gpu_model: {description: The model., type: str}
        workload_class: {description: The class., type: str}
        limit_watts: {description: The limit in watts; null where there is none., type: float}
        performance: {description: How fast such work is under it; 1 is full speed., type: float}
        energy: {description: What such work takes under it; 1 is what it takes at full speed., type: float}
        origin: {description: Where that was measured., type: str}
        reason: {description: "Why that limit, or none.", type: str}
    power_limits:
      description:
        - The power limit that the GPUs of each node in use may have, which is the highest that any of its work wants.
          None unless the problem asks for limits.
      type: list
      elements: dict
      contains:
        node: {description: The node., type: str}
        limit_watts: {description: The limit in watts; null is the limit that its GPUs have of their own., type: float}
        performance: {description: How fast its work is under it at least; 1 is full speed., type: float}
        reason: {description: What decides., type: str}
purchase:
  description: What to buy.
  returned: when O(buy) is true
  type: dict
  contains:
    nodes: {description: How many of each offer., type: dict}
    price: {description: What they cost., type: float}
    gap_percent: {description: How far that is at most from the cheapest., type: float}
    still_refused: {description: Workloads that none of the offers helps., type: list, elements: str}
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._capacity import questions
from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import Problem, ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.planner import PlanError, make_plan
from ansible_collections.aidc.ops.plugins.module_utils._capacity.problem_file import problem_data
from ansible_collections.aidc.ops.plugins.module_utils._capacity.strategies import STRATEGIES, Weights
from ansible_collections.aidc.ops.plugins.module_utils._hardware.atomic_file import FileError, find, write

WEIGHTS = {
    name: {"type": "float", "default": default}
    for name, default in (("cpu", 1.0), ("memory", 0.1), ("network", 0.1), ("gpu", 20.0))
}


def problem_of(params: dict[str, Any]) -> Problem:
    """The problem as it is asked about."""
    problem = questions.without_nodes(read_problem(problem_data(params)), params["fail_nodes"])
    factors = params["scale_projects"]
    try:
        problem = questions.scaled(problem, {str(name): float(factor) for name, factor in factors.items()})
    except (TypeError, ValueError) as error:
        if isinstance(error, ProblemError):
            raise
        raise ProblemError(f"scale_projects: a factor is no number: {error}") from error
    return questions.with_nodes_off(problem) if params["power_off"] else problem


def lines(plan: dict[str, Any]) -> str:
    """Placements as text, for the diff."""
    rows = (f"{one['node']} {one['workload']} {one['gpus']}\n" for one in plan.get("placements", ()))
    return "".join(sorted(rows))


def kept(text: str | None) -> dict[str, Any]:
    """The plan that a file has; empty where it has none."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "problem": {"type": "dict"},
            "path": {"type": "path"},
            "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "optimal"},
            "seconds": {"type": "float", "default": 60.0},
            "cost_weights": {"type": "dict", "options": WEIGHTS},
            "fail_nodes": {"type": "list", "elements": "str", "default": []},
            "scale_projects": {"type": "dict", "default": {}},
            "power_off": {"type": "bool", "default": False},
            "buy": {"type": "bool", "default": False},
            "dest": {"type": "path"},
        },
        required_one_of=[("problem", "path")],
        mutually_exclusive=[("problem", "path")],
        supports_check_mode=True,
    )
    params = module.params
    if params["seconds"] <= 0:
        module.fail_json(msg=f"seconds: {params['seconds']} is too little; give it at least a second")
    weights = Weights(**params["cost_weights"]) if params["cost_weights"] else None
    result: dict[str, Any] = {"changed": False}
    try:
        # A place that cannot be written is told before the search begins.
        dest = os.path.realpath(params["dest"]) if params["dest"] else None
        there = find(dest, may_be_made=module.check_mode) if dest else None
        plan = make_plan(problem_of(params), params["strategy"], params["seconds"], weights)
        if params["buy"]:
            result["purchase"] = questions.to_buy(plan, params["seconds"])
        result["plan"] = plan.as_dict()
        if dest and there is not None:
            text = json.dumps(result["plan"], indent=1) + "\n"
            before, after = kept(there.text), json.loads(text)
            # Only the time differs between two runs.
            result["changed"] = {**before, "seconds": 0} != {**after, "seconds": 0}
            if result["changed"]:
                result["diff"] = {"before": lines(before), "after": lines(after), "before_header": params["dest"]}
                if not module.check_mode:
                    write(dest, text, 0o644 if there.mode is None else there.mode)
    except (ProblemError, PlanError, FileError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
