#!/usr/bin/python
# Module: brings what a scheduler goes by in line with a plan.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_apply
version_added: 0.1.0
short_description: Apply a capacity plan to Slurm or Kubernetes
description:
  - Compares a plan of M(aidc.ops.capacity_plan) with what the scheduler goes by now, and makes the changes that are
    missing. With C(--check --diff) it only shows them.
  - Jobs and pods are never bound to nodes. The scheduler decides, by inputs that this module sets.
  - In Slurm these are one reservation C(aidc_plan_PROJECT) with the nodes that the plan gives to one project alone, the
    weights and features of nodes, the nodes of partitions, the GPU limits and fair shares of accounts, the GPU limits
    of QOS, holds and nice values of jobs, and the power of nodes. A project has the name of its account. Weights,
    features and the nodes of partitions last until slurmctld is started again; apply the plan anew then.
  - In Kubernetes these are the label C(aidc.ops/project) of nodes, a taint of the same name, and the replicas,
    priorities and requests of deployments and stateful sets.
  - Reservations, drains, holds, nice values, features, labels and taints of others stay as they are.
  - What adds capacity is done first, and what takes it away last. The first change that fails ends the run. Run it
    again to go on, since each run compares anew.
  - A plan that was made for another fleet than the scheduler has now is refused.
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
    details:
      - What O(policy.most_out) left for later is done by the next runs.
options:
  problem:
    description: The problem that the plan was made of. Either this or O(problem_path).
    type: dict
  problem_path:
    description: A JSON file with the problem.
    type: path
  plan:
    description: The plan. Either this or O(plan_path).
    type: dict
  plan_path:
    description: A JSON file with the plan, as O(aidc.ops.capacity_plan#module:dest) has written it.
    type: path
  engine:
    description:
      - Which scheduler of the settings file, by its name in C(engines). Without it, the one in C(engine).
      - Of a plan for several schedulers this is the part that is looked at. Apply the plan to each of them.
    type: str
  policy:
    description: What may be done that takes something away from somebody, or that not every site wants.
    type: dict
    suboptions:
      hold:
        description: >-
          Hold waiting jobs of Slurm that the plan has no place for. Those that this module held are released when the
          plan has a place for them, or when this is V(false); those that others held are not.
        type: bool
        default: false
      requeue:
        description: >-
          Requeue running jobs of Slurm that are on nodes where the plan has no work of their project, once for each
          plan. Only jobs that are C(preemptible) and C(may_move) in the problem, and that were submitted with
          C(--requeue). Slurm starts them again two minutes later at the earliest.
        type: bool
        default: false
      power_off:
        description: >-
          Switch nodes off that the plan leaves idle, through Slurm's power saving. Nodes that are left free for
          failures stay on.
        type: bool
        default: false
      shares:
        description: >-
          Set the fair shares of Slurm's accounts by the weights of the projects in the problem, as the smallest whole
          numbers in that ratio, exact to a hundredth. Slurm compares them among accounts with the same parent. When
          this is V(false) again, they stay.
        type: bool
        default: false
      order:
        description:
          - Put waiting jobs of Slurm that the plan has no place for behind those that have one, and these in the order
            of their priorities and deadlines in the problem, by nice values from 0 up. Jobs that are equal for the plan
            stay in Slurm's order, and jobs that are in order already are left alone.
          - When this is V(false), values that this module set are taken back. Values that others set stay.
          - Slurm's plugin C(priority/multifactor) shows new priorities after C(PriorityCalcPeriod) only.
        type: bool
        default: false
      features:
        description:
          - Keep a feature C(aidc_plan_PROJECT) on the nodes of Slurm that the plan gives to one project alone, so that
            jobs may insist on them with C(--constraint). When this is V(false), such features are taken away.
          - Not where a plugin sets the features of nodes (C(NodeFeaturesPlugins)).
        type: bool
        default: false
      dedicated:
        description: Keep pods off a project's nodes that do not tolerate its taint.
        type: bool
        default: false
      scale:
        description: Give deployments and stateful sets as many replicas as the plan has places for, but never none.
        type: bool
        default: false
      priority:
        description:
          - Give deployments and stateful sets of Kubernetes the PriorityClass that has their priority in the problem,
            where their pods have another one. A capacity problem has the priorities of the pods that run, so nothing is
            done unless somebody changed them there. Priority 0 is left alone.
          - This takes something away. Kubernetes replaces all pods of such a workload, and pods of higher priority may
            end others.
          - No class is ever made or changed. It is refused where not exactly one has that priority.
        type: bool
        default: false
      requests:
        description:
          - Give deployments and stateful sets of Kubernetes the requests that the plan went by (CPU, memory and whole
            GPUs), where their pods ask for another amount. A capacity problem has the requests of the pods that run,
            so nothing is done unless somebody changed them there. An amount of 0, shares of GPUs and MIG instances are
            left alone.
          - It has to be clear which container is meant, which is the only one, or the only one that asks for that. A
            limit that the new request would exceed, or that was equal to the old one, is set to it.
          - Kubernetes replaces all pods of such a workload, by its strategy.
        type: bool
        default: false
      partitions:
        description:
          - The partition of Slurm that is a project's own, by project. Its nodes become those on which the plan has
            work of the project. What runs on a node that is taken out goes on to its end.
          - Only nodes in service that the plan knows come and go. One that would be in no partition at all stays. The
            partition of a project that the plan has no node for stays as it is.
          - It lasts until C(slurm.conf) is read again or slurmctld is started again; apply the plan anew then.
        type: dict
        default: {}
      qos:
        description:
          - The QOS of Slurm that is a project's own, by project. Its GPU limit (C(GrpTRES=gres/gpu)) becomes the quota
            of the project. Its other limits stay, and the limit of the project's account is set as well.
        type: dict
        default: {}
      most_out:
        description: >-
          How many nodes may be switched off, tainted, taken out of a partition or freed of a job in one run.
        type: int
        default: 20
notes:
  - Needs the rights of an administrator of Slurm (C(SlurmUser) or root), or those that the guide on engines lists.
  - Limits and shares of accounts and QOS need C(sacctmgr) beside C(scontrol).
  - Do not set O(policy.scale=true) for a workload that an autoscaler owns, nor O(policy.requests=true) for one whose
    requests something else sets.
  - Nodes stay in their partitions unless O(policy.partitions) is given. Jobs have to name the partition of their
    project then, and a job is planned on the GPU models of its partition, so the next plan is bound to those that this
    one left there. Reservations need neither.
seealso:
  - module: aidc.ops.capacity_plan
  - module: aidc.ops.workload_resize
    description: Gives a workload any other size; this module sets its requests back to those of the plan.
"""

EXAMPLES = r"""
- name: Show what the plan would change
  aidc.ops.capacity_apply:
    problem_path: /var/lib/aidc_ops/problem.json
    plan_path: /var/lib/aidc_ops/plan.json
  delegate_to: localhost
  check_mode: true
  diff: true
  register: shown

- name: Print it as a table
  ansible.builtin.debug:
    msg: "{{ shown.table }}"

- name: Let Slurm's own order, its fair shares and its features agree with the plan
  aidc.ops.capacity_apply:
    problem_path: /var/lib/aidc_ops/problem.json
    plan_path: /var/lib/aidc_ops/plan.json
    policy:
      order: true
      shares: true
      features: true
  delegate_to: localhost

- name: Apply it; hold what has no place, and switch off what is not needed, two nodes at a time
  aidc.ops.capacity_apply:
    problem_path: /var/lib/aidc_ops/problem.json
    plan_path: /var/lib/aidc_ops/plan.json
    policy:
      hold: true
      power_off: true
      most_out: 2
  delegate_to: localhost

- name: Let the partitions and the QOS of two projects follow the plan
  aidc.ops.capacity_apply:
    problem_path: /var/lib/aidc_ops/problem.json
    plan_path: /var/lib/aidc_ops/plan.json
    policy:
      partitions:
        vision: vision
        chat: chat-gpu
      qos:
        vision: vision
  delegate_to: localhost
"""

RETURN = r"""
changes:
  description: The changes, in the order in which they are made; in check mode, would be.
  returned: when the plan and the scheduler could be compared
  type: list
  elements: dict
  contains:
    kind: {description: What is done., type: str, sample: narrow_reservation}
    thing: {description: To what., type: str, sample: reservation aidc_plan_vision}
    before: {description: How it is; empty for what is not there., type: str, sample: "nodes gpu[1-3]"}
    after: {description: How it will be; empty for what is taken away., type: str, sample: nodes gpu1}
    why: {description: Why., type: str}
refused:
  description: What the plan asks for and is not done.
  returned: when the plan and the scheduler could be compared
  type: list
  elements: dict
  contains:
    kind: {description: What is not done., type: str}
    thing: {description: To what., type: str}
    why: {description: Why., type: str}
later:
  description: What is left for the next run.
  returned: when the plan and the scheduler could be compared
  type: list
  elements: dict
  contains:
    kind: {description: What is not done., type: str}
    thing: {description: To what., type: str}
    why: {description: Why., type: str}
notes:
  description: What there is to know besides.
  returned: when the plan and the scheduler could be compared
  type: list
  elements: str
table:
  description: All of that as lines for people.
  returned: when the plan and the scheduler could be compared
  type: list
  elements: str
made:
  description: How many of RV(changes) are made, from the first on.
  returned: when the plan and the scheduler could be compared
  type: int
differences:
  description: What the plan counts on and is not there; empty where it failed for another reason.
  returned: failure
  type: list
  elements: str
"""

import json
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply import carry_out, kube_diff, report, slurm_diff
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.model import (
    SLOW,
    ApplyError,
    ApplyPolicy,
    Change,
    Difference,
    StaleError,
)
from ansible_collections.aidc.ops.plugins.module_utils._capacity_apply.wanted import Wanted, part_of, wanted_of
from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import EngineSettings
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_api import KubeApi
from ansible_collections.aidc.ops.plugins.module_utils._engines.kube_inputs import KubeInputs
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_inputs import SlurmInputs
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, EngineError

NAMING = ("partitions", "qos")
"""What the policy gives names for, by project."""

POLICY = {
    **{
        name: {"type": "bool", "default": False}
        for name in (
            "hold",
            "requeue",
            "power_off",
            "shares",
            "order",
            "features",
            "dedicated",
            "scale",
            "priority",
            "requests",
        )
    },
    **{name: {"type": "dict", "default": {}} for name in NAMING},
    "most_out": {"type": "int", "default": 20},
}


def content(params: dict[str, Any], name: str) -> Any:
    """An option that is given as data or as a file."""
    path = params[f"{name}_path"]
    if path is None:
        return params[name]
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise ApplyError(f"{name}_path: {path} cannot be read as JSON: {error}") from error


def policy_of(given: dict[str, Any]) -> ApplyPolicy:
    """The policy. ApplyError for what cannot be one."""
    policy = ApplyPolicy(**given)
    if policy.most_out < 0:
        raise ApplyError(f"policy.most_out: {policy.most_out} is less than 0")
    for option in NAMING:
        for project, name in getattr(policy, option).items():
            if not isinstance(name, str):
                raise ApplyError(f"policy.{option}: {project:.80}: expected a name, got {name!s:.80}")
    return policy


def meant(params: dict[str, Any], wanted: Wanted) -> tuple[EngineSettings, Wanted]:
    """The scheduler that is meant, and what the plan wants of it."""
    settings = console.settings_of(params["config"])
    name = params["engine"]
    if name is not None and name not in settings.engines:
        known = ", ".join(sorted(settings.engines)) or "none"
        raise ApplyError(f"engine: {name!r:.80} is not in engines of the settings file; known: {known}")
    options = settings.engine if name is None else settings.engines[name]
    if not settings.engines:
        return options, wanted
    # As capacity_problem joins them.
    engines = {node: known.engine for node, known in settings.nodes.items()}
    nodes = {node.name for node in wanted.problem.nodes if engines.get(node.name) == name}
    return options, part_of(wanted, nodes, f"{name}:" if name else "", [f"{one}:" for one in settings.engines])


Compare = Callable[[], Difference]
Make = Callable[[Change], bool]


def opened(options: EngineSettings, wanted: Wanted, policy: ApplyPolicy) -> tuple[Compare, Make]:
    """How to compare, and how to make a change."""
    if options.kind == "kubernetes":
        cluster = KubeInputs(KubeApi(options.kubeconfig, options.context, options.timeout_seconds))
        names = kube_diff.workloads(wanted)
        return (
            lambda: kube_diff.difference(wanted, cluster.now(names, policy.priority, policy.requests), policy),
            lambda change: carry_out.in_kubernetes(change, cluster),
        )
    slurm = SlurmInputs(options.scontrol, options.squeue, options.timeout_seconds)
    projects = wanted.problem.projects
    accounts = [one.name for one in projects if policy.shares or one.quota_gpu_milli is not None]
    return (
        lambda: slurm_diff.difference(
            wanted, slurm.now(accounts, policy.qos.values(), bool(policy.partitions)), policy
        ),
        lambda change: carry_out.in_slurm(change, slurm),
    )


def fail(module: AnsibleModule, error: Exception, **more: Any) -> None:
    """End with what was wrong; it does not return."""
    module.fail_json(msg=str(error), differences=error.differences if isinstance(error, StaleError) else [], **more)


def shown(found: Difference, made: int) -> dict[str, Any]:
    """The difference as the module returns it."""
    return {
        "changes": [change.as_dict() for change in found.changes],
        "refused": [one.as_dict() for one in found.refused],
        "later": [one.as_dict() for one in found.later],
        "notes": found.notes,
        "table": report.table(found),
        "made": made,
    }


def unmade(made: list[Change], now: Difference) -> list[Change]:
    """Which of the changes are missing although the scheduler accepted them."""
    missing = {(one.kind, one.thing, one.after) for one in now.changes if one.kind not in SLOW}
    return [one for one in made if (one.kind, one.thing, one.after) in missing]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "problem": {"type": "dict"},
            "problem_path": {"type": "path"},
            "plan": {"type": "dict"},
            "plan_path": {"type": "path"},
            "engine": {"type": "str"},
            "policy": {"type": "dict", "options": POLICY},
        },
        required_one_of=[("problem", "problem_path"), ("plan", "plan_path")],
        mutually_exclusive=[("problem", "problem_path"), ("plan", "plan_path")],
        supports_check_mode=True,
    )
    params = module.params
    try:
        policy = policy_of(params["policy"] or {})
        wanted = wanted_of(read_problem(content(params, "problem")), content(params, "plan"))
        options, wanted = meant(params, wanted)
        compare, make = opened(options, wanted, policy)
        found = compare()
    except (AidcOpsError, ProblemError) as error:
        fail(module, error)
    diff = report.sides(found.changes)
    if module.check_mode:
        module.exit_json(changed=bool(found.changes), diff=diff, **shown(found, 0))
    made: list[Change] = []
    try:
        for change in found.changes:
            if not make(change):
                found.notes.append(f"{change.thing}: gone meanwhile, so it was left out.")
            made.append(change)
        left = unmade(made, compare()) if made else []
        if left:
            names = ", ".join(f"{one.kind} {one.thing}" for one in left[:5])
            raise EngineError(f"The scheduler accepted these changes and does not show them: {names}.")
    except (EngineError, ApplyError) as error:
        done = f"{len(made)} of {len(found.changes)} changes are made; run this again to go on"
        answer = {**shown(found, len(made)), "diff": report.sides(made)}
        fail(module, ApplyError(f"{error} ({done})"), changed=bool(made), **answer)
    module.exit_json(changed=bool(made), diff=diff, **shown(found, len(made)))


if __name__ == "__main__":
    main()
