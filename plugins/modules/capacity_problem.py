#!/usr/bin/python
# Module: reads what the capacity planner needs: fleet and workloads of the schedulers, and what else is known of them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_problem
version_added: 0.1.0
short_description: Read the fleet and its workloads for the capacity planner
description:
  - Asks the schedulers of the settings file, Slurm and Kubernetes, for their nodes and for all that runs or waits.
  - Adds what hardware records, host variables, Prometheus and people know, and returns one problem that
    M(aidc.ops.capacity_plan) takes.
  - What was unknown or had to be assumed stands in RV(notes). Nothing is made up, and nothing is changed anywhere.
  - A scheduler that does not answer, or not with all, is an error and never a smaller fleet.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._controller
  - aidc.ops._prometheus
options:
  fleet_path:
    description:
      - The fleet file that M(aidc.ops.fleet_file) writes. Its records say rack, leaf switch and power feed of the
        nodes, the memory of their GPUs and which power limits these take, the speed of their network, and GPUs that
        are lost.
      - A record belongs to the node of its host name.
    type: path
  places:
    description:
      - Where nodes are, as host variables say it. These count more than the hardware records and the settings file.
      - Each is a dictionary of node and name.
    type: dict
    default: {}
    suboptions:
      rack: {description: Racks., type: dict, default: {}}
      leaf: {description: Leaf switches., type: dict, default: {}}
      feed: {description: Power feeds., type: dict, default: {}}
      nvlink_domain: {description: NVLink domains that span nodes., type: dict, default: {}}
  site:
    description:
      - What people say. C(projects), C(feeds), C(offers), C(power_curves) and C(policy) are those of the problem.
      - C(nodes) and C(workloads) are dictionaries of a name, or a pattern such as C(gpu-a*), and what to put into the
        rows of the problem, for example C(price_per_hour), C(preemptible) or C(workload_class). Later entries count
        more.
      - C(maintenance) is a list of windows with C(node) (name or pattern), C(start) and C(end), as
        M(aidc.ops.maintenance_windows) returns them. Times are seconds since 1970 or such as
        C(2026-01-31T22:00:00Z). A node is not in service in its window.
      - GPU models may be written as their makers do.
    type: dict
    default: {}
  demand:
    description:
      - Workloads that are not there yet, as the filter P(aidc.ops.forecast_demand#filter) makes them.
      - What their project has already is taken off, since a forecast speaks of all that a project will want.
    type: list
    elements: dict
    default: []
  at:
    description:
      - The moment that is asked about, such as V(now+7d) or V(2026-01-31T22:00:00Z). It decides about maintenance and
        about what is over by then.
    type: str
    default: now
  accounting_days:
    description:
      - Of so many days Slurm's accounting is asked for how long jobs took. The expected time of a job is its limit
        times the median of (time taken / limit) of its account.
      - V(0) for limits as they are. Without accounting, or with fewer than 20 ended jobs of an account, so they are.
    type: int
    default: 30
  failures:
    description:
      - How often nodes failed. From that follows how many like nodes are left free in each rack, unless C(policy) of
        O(site) says it. The guide says how.
      - Either O(failures.cases), or O(failures.failures) and O(failures.repair_hours).
    type: dict
    suboptions:
      days:
        description: Length of the history.
        type: float
        required: true
      cases:
        description: Cases, as M(aidc.ops.case_info) returns them. Those that nobody acted on do not count.
        type: list
        elements: dict
      failures:
        description: How many nodes failed.
        type: int
      repair_hours:
        description: How long each was away on average.
        type: float
      confidence:
        description: With which probability no more nodes than these are away at a moment.
        type: float
        default: 0.95
  url:
    description:
      - Address of a Prometheus server that has measured power by the recording rules of the role
        P(aidc.ops.prometheus#role). Without it nodes have no power, unless O(site) says it.
      - The environment variable E(AIDC_OPS_PROMETHEUS_URL) will do.
    type: str
    required: false
  power_range:
    description: Over which time power is looked at. It should hold times of rest and of work.
    type: str
    default: 7d
requirements:
  - Slurm's commands on the controller with their JSON serializer, for Slurm
  - kubernetes, for Kubernetes
  - prometheus-api-client, for O(url)
seealso:
  - module: aidc.ops.capacity_plan
  - module: aidc.ops.capacity_forecast
  - plugin: aidc.ops.forecast_demand
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read what there is
  aidc.ops.capacity_problem:
    fleet_path: /var/lib/aidc_ops/fleet/latest.jsonl
    site: "{{ lookup('ansible.builtin.file', '/etc/aidc_ops/site.yml') | from_yaml }}"
  delegate_to: localhost
  register: present

- name: Say what was assumed
  ansible.builtin.debug:
    var: present.notes

- name: Plan it
  aidc.ops.capacity_plan:
    problem: "{{ present.problem }}"
  delegate_to: localhost

- name: Read what there will be next week, with racks of the inventory, measured power and what is foretold
  aidc.ops.capacity_problem:
    places:
      rack: "{{ dict(groups['gpu'] | zip(groups['gpu'] | map('extract', hostvars, 'aidc_ops_rack'))) }}"
    at: now+7d
    url: http://monitor:9090
    failures:
      days: 90
      cases: "{{ lost.cases }}"
    demand: "{{ foretold.forecast_demand | aidc.ops.forecast_demand({'vision': {'gpus': 8, 'gpu_models': ['h100']}}) }}"
    site:
      projects:
        - {name: vision, quota_gpu_milli: 64000}
      nodes:
        gpu-a*: {price_per_hour: 12.5}
      workloads:
        batch/*: {preemptible: true}
      maintenance:
        - {node: gpu-a07, start: '2026-12-01T20:00:00Z', end: '2026-12-02T04:00:00Z'}
  delegate_to: localhost
"""

RETURN = r"""
problem:
  description:
    - The problem. What it looks like is published as C(docs/schemas/capacity_problem.schema.json).
    - Workloads are called C(job/<number>), or C(<namespace>/<kind>/<name>) with the kinds C(deployment),
      C(statefulset), C(job) and C(pod). Those of another engine than the default begin with its name and a colon.
  returned: success
  type: dict
  contains:
    schema_version: {description: Version of the schema., type: int, sample: 1}
    nodes: {description: The fleet., type: list, elements: dict}
    workloads: {description: What asks for it., type: list, elements: dict}
    projects: {description: Projects; only if the site has some., type: list, elements: dict}
    feeds: {description: Power feeds; only if the site has some., type: list, elements: dict}
    offers: {description: What could be bought; only if the site has some., type: list, elements: dict}
    power_curves: {description: Power curves of the site; only if it has some., type: list, elements: dict}
    policy: {description: What is wanted; only if something is said of it., type: dict}
handles:
  description: How each workload of a scheduler is reached, by its name in the problem.
  returned: success
  type: dict
  contains:
    NAME:
      description: One workload.
      type: dict
      contains:
        engine: {description: Name of its engine in the settings file., type: str, sample: engine}
        kind: {description: 'What it is: job, deployment, statefulset, k8sjob or pod.', type: str}
        id: {description: Number of a Slurm job; empty for others., type: str}
        name: {description: Its own name., type: str}
        namespace: {description: Its namespace; empty for Slurm., type: str}
        account: {description: Its account; empty for Kubernetes., type: str}
        project: {description: Account or namespace., type: str}
        partition: {description: Its partition in Slurm., type: str}
        state: {description: Whether it runs or waits., type: str, sample: pending}
        replicas:
          description:
            - How many copies it asks for in all. The problem has fewer where some are on nodes that take no new work.
          type: int
notes:
  description: What was unknown, assumed or left out, a sentence each.
  returned: success
  type: list
  elements: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import ProblemError
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.build import DEFAULT, Sources, build
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.live import read_state
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.power import measure
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.reserve import read_history
from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import fleet
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import ARGUMENTS, make_client
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_duration, read_time

PLACES = ("rack", "leaf", "feed", "nvlink_domain")


def places_of(settings: Settings, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Node -> where it is, by the settings file and by what was given, which counts more."""
    found: dict[str, dict[str, str]] = {
        name: {"rack": node.rack or "", "leaf": node.leaf or "", "feed": node.feed or ""}
        for name, node in settings.nodes.items()
    }
    for place in PLACES:
        for name, value in (given.get(place) or {}).items():
            if value:
                found.setdefault(str(name), {})[place] = str(value)
    return found


def sources_of(params: dict[str, Any], now: float) -> Sources:
    """Everything that is asked for, read. Raises AidcOpsError, SourceError or FleetError."""
    try:
        at = read_time(params["at"], now)
        power_seconds = read_duration(params["power_range"])
    except ValueError as error:
        raise SourceError(f"at, or power_range: {error}") from error
    settings = console.settings_of(params["config"])
    history = None if params["failures"] is None else read_history(params["failures"], now)
    records = fleet.read(params["fleet_path"]) if params["fleet_path"] else []
    days = params["accounting_days"]
    if not 0 <= days <= 3650:
        raise SourceError(f"accounting_days: {days} is not from 0 to 3650")
    engines = {DEFAULT: settings.engine, **settings.engines}
    return Sources(
        states={name: read_state(options, at, days) for name, options in engines.items()},
        chosen={name: node.engine for name, node in settings.nodes.items() if node.engine is not None},
        records=records,
        places=places_of(settings, params["places"]),
        site=params["site"],
        demand=params["demand"],
        # Where no server is named nothing is measured.
        measured=measure(make_client(params.get), power_seconds) if params["url"] else None,
        history=history,
        at=at,
        now=now,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            **ARGUMENTS,
            "url": {**ARGUMENTS["url"], "required": False},
            "fleet_path": {"type": "path"},
            "places": {
                "type": "dict",
                "default": {},
                "options": {place: {"type": "dict", "default": {}} for place in PLACES},
            },
            "site": {"type": "dict", "default": {}},
            "demand": {"type": "list", "elements": "dict", "default": []},
            "at": {"type": "str", "default": "now"},
            "accounting_days": {"type": "int", "default": 30},
            "failures": {
                "type": "dict",
                "options": {
                    "days": {"type": "float", "required": True},
                    "cases": {"type": "list", "elements": "dict"},
                    "failures": {"type": "int"},
                    "repair_hours": {"type": "float"},
                    "confidence": {"type": "float", "default": 0.95},
                },
            },
            "power_range": {"type": "str", "default": "7d"},
        },
        supports_check_mode=True,
    )
    try:
        built = build(sources_of(module.params, time.time()))
    except (AidcOpsError, SourceError, ProblemError, fleet.FleetError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, problem=built.problem, handles=built.handles, notes=built.notes)


if __name__ == "__main__":
    main()
