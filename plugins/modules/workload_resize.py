#!/usr/bin/python
# Module: gives a running workload other replicas, requests or limits.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_resize
version_added: 0.1.0
short_description: Change the size of a running workload
description:
  - Changes replicas, requests and limits of a deployment or stateful set of Kubernetes, the limits of a Slurm job, or
    those of a Slurm partition.
  - Only what makes a difference is changed. Quantities are compared as quantities, so V(1000m) is V(1), and V(1Gi) is
    V(1073741824).
  - What was written is read back.
  - In Kubernetes a change names the version of the workload that was looked at, so that nobody else's change is lost.
    With other replicas the time is noted on the workload, as annotation C(aidc.ops/scaled-up-at) or
    C(aidc.ops/scaled-down-at), by which M(aidc.ops.autoscale_decision) keeps its pauses.
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
  workload:
    description:
      - V(namespace/deployment/name) or V(namespace/statefulset/name) of Kubernetes, V(job/12345) or
        V(partition/name) of Slurm.
      - That of another engine than the default begins with the name of the engine and a colon.
    type: str
    required: true
  replicas:
    description: How many replicas. Slurm has none; for the tasks of a job array see M(aidc.ops.engine_scale).
    type: int
  only_from_replicas:
    description: Fail unless it has so many replicas, or O(replicas) already. Who decided by a number names it here.
    type: int
  containers:
    description: Which containers get other requests and limits. What is not named is left as it is.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the container.
        type: str
        required: true
      requests:
        description: Quantity by resource, such as V(cpu), V(memory) or V(nvidia.com/gpu).
        type: dict
        default: {}
      limits:
        description:
          - Quantity by resource.
          - Devices such as GPUs are requested and limited alike. Given on one side, they are set on both.
        type: dict
        default: {}
  method:
    description:
      - V(rolling) changes the template, and Kubernetes replaces the pods by the strategy of the workload.
      - V(in_place) changes CPU and memory of the running pods without ending them, where the server has C(pods/resize)
        (it is asked). The template stays as it is, and RV(notes) say so. Where that is not possible, as for GPUs, it
        is V(rolling), and RV(notes) say why.
    type: str
    choices: [rolling, in_place]
    default: rolling
  wait_seconds:
    description: How long to wait until every pod is as wished. V(0) is not to wait. It is a failure if it takes longer.
    type: int
    default: 0
  time_limit:
    description:
      - Time limit of a job, in quotes, such as V('90') for minutes, V('12:00:00'), V('2-00:00:00') or V(UNLIMITED).
      - Slurm lets only administrators raise it.
    type: raw
  nodes:
    description: Nodes of a pending job.
    type: int
  cpus:
    description: CPUs of a pending job, in all.
    type: int
  memory:
    description: Memory of a pending job on each node, such as V(64G). A number alone is MiB. As in Slurm, 1G is 1024M.
    type: str
  max_time:
    description: Longest time limit of the jobs of a partition, written like O(time_limit).
    type: raw
  max_nodes:
    description: Most nodes of a job of a partition, or V(UNLIMITED).
    type: str
notes:
  - Slurm keeps the limits of a partition until it reads C(slurm.conf) again.
seealso:
  - module: aidc.ops.engine_scale
  - module: aidc.ops.autoscale_decision
"""

EXAMPLES = r"""
- name: Give an inference service five replicas
  aidc.ops.workload_resize:
    workload: models/deployment/chat
    replicas: 5
    wait_seconds: 600

- name: Give its container more memory and two GPUs
  aidc.ops.workload_resize:
    workload: models/deployment/chat
    containers:
      - name: server
        requests: {cpu: 8, memory: 64Gi}
        limits: {memory: 96Gi, nvidia.com/gpu: 2}

- name: Give running pods more CPU without ending them
  aidc.ops.workload_resize:
    workload: inference:models/statefulset/embed
    containers:
      - name: server
        requests: {cpu: 6}
    method: in_place

- name: Let a job run until tomorrow
  aidc.ops.workload_resize:
    workload: job/12345
    time_limit: '1-12:00:00'

- name: Let no job of a partition run for more than four hours
  aidc.ops.workload_resize:
    workload: partition/short
    max_time: '4:00:00'
    max_nodes: 4
"""

RETURN = r"""
before:
  description:
    - What it had of what is wished, as its engine writes it.
    - For RV(method) V(in_place) the key C(pods) has the pods that differ.
  returned: success
  type: dict
  sample: {replicas: 3}
after:
  description: What it has now (in check mode, would have).
  returned: success
  type: dict
  sample: {replicas: 5}
method:
  description: V(rolling), V(in_place), or for Slurm V(update).
  returned: success
  type: str
  sample: rolling
rolled_out:
  description: Whether every pod is as wished; null if nobody waited for that.
  returned: success
  type: bool
notes:
  description: What is not as one would expect.
  returned: success
  type: list
  elements: str
  sample: []
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_addressed
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import in_place, kube, rollout, slurm
from ansible_collections.aidc.ops.plugins.module_utils._resize.containers import read_wishes
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome

_KUBERNETES = ("replicas", "only_from_replicas", "containers", "wait_seconds")
_SLURM = (*slurm.JOB_OPTIONS, *slurm.PARTITION_OPTIONS)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            "workload": {"type": "str", "required": True},
            "replicas": {"type": "int"},
            "only_from_replicas": {"type": "int"},
            "containers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "requests": {"type": "dict", "default": {}},
                    "limits": {"type": "dict", "default": {}},
                },
            },
            "method": {"type": "str", "choices": ["rolling", "in_place"], "default": "rolling"},
            "wait_seconds": {"type": "int", "default": 0},
            "time_limit": {"type": "raw"},
            "nodes": {"type": "int"},
            "cpus": {"type": "int"},
            "memory": {"type": "str"},
            "max_time": {"type": "raw"},
            "max_nodes": {"type": "str"},
        },
        required_by={"only_from_replicas": "replicas"},
        supports_check_mode=True,
    )
    params = module.params
    try:
        engine, workload = open_addressed(console.settings_of(params["config"]), params["workload"], module.check_mode)
        if isinstance(engine, KubernetesEngine):
            outcome = _resize_kubernetes(engine, workload, params, module.check_mode)
        else:
            outcome = slurm.resize(t.cast(SlurmEngine, engine), workload, _slurm_wishes(params), module.check_mode)
    except AidcOpsError as error:
        module.fail_json(msg=f"{params['workload']} was not resized: {error}")
    waits = params["wait_seconds"] > 0 and not module.check_mode
    if waits:
        try:
            rollout.wait(t.cast(KubernetesEngine, engine), kube.named(workload), params["wait_seconds"])
        except AidcOpsError as error:
            module.fail_json(msg=str(error), changed=outcome.changed, before=outcome.before, after=outcome.after)
    module.exit_json(
        changed=outcome.changed,
        before=outcome.before,
        after=outcome.after,
        method=outcome.method,
        rolled_out=True if waits else None,
        notes=list(outcome.notes),
        diff=_difference(params["workload"], outcome),
    )


def _resize_kubernetes(
    engine: KubernetesEngine, workload: str, params: t.Mapping[str, t.Any], dry_run: bool
) -> Outcome:
    _refuse(params, _SLURM, "Kubernetes")
    for name in ("replicas", "only_from_replicas", "wait_seconds"):
        if params[name] is not None and params[name] < 0:
            raise ResizeError(f"{name} is {params[name]}; it cannot be negative")
    wishes = read_wishes(params["containers"])
    if params["replicas"] is None and not wishes:
        raise ResizeError("nothing is wished; give replicas or containers")
    named = kube.named(workload)
    wish = kube.Wish(params["replicas"], wishes, params["only_from_replicas"])
    if not wishes or params["method"] == "rolling":
        return kube.resize(engine, named, wish, dry_run, time.time())
    why = in_place.hindrance(engine, kube.read(engine, named), wishes)
    if why:
        made = kube.resize(engine, named, wish, dry_run, time.time())
        return Outcome(made.before, made.after, made.method, (f"Not in place, because {why}.", *made.notes))
    counted = kube.resize(engine, named, kube.Wish(wish.replicas, {}, wish.only_from), dry_run, time.time())
    pods = in_place.resize(engine, named, wishes, dry_run)
    return Outcome({**counted.before, **pods.before}, {**counted.after, **pods.after}, pods.method, pods.notes)


def _slurm_wishes(params: t.Mapping[str, t.Any]) -> dict[str, int]:
    """What is wished of a job or partition, as numbers."""
    _refuse(params, _KUBERNETES, "Slurm")
    wishes = {}
    for name in _SLURM:
        given = params[name]
        if given is None:
            continue
        if name in ("time_limit", "max_time"):
            wishes[name] = slurm.minutes(given, name)
        elif name == "memory":
            wishes[name] = slurm.mebibytes(given, name)
        else:
            wishes[name] = slurm.count(given, name)
    if not wishes:
        raise ResizeError(f"nothing is wished; give one of {', '.join(_SLURM)}")
    return wishes


def _refuse(params: t.Mapping[str, t.Any], names: t.Sequence[str], kind: str) -> None:
    wrong = [name for name in names if params[name]]
    if wrong:
        raise ResizeError(f"{', '.join(wrong)} cannot be set, because the workload belongs to {kind}")


def _difference(workload: str, outcome: Outcome) -> dict[str, t.Any]:
    if not outcome.changed:
        return {}
    return {
        "before": outcome.before,
        "after": outcome.after,
        "before_header": workload,
        "after_header": f"{workload} ({outcome.method})",
    }


if __name__ == "__main__":
    main()
