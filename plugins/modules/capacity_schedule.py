#!/usr/bin/python
# Module: says when and where workloads run, and what the order of the queue is worth.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_schedule
version_added: 0.1.0
short_description: Schedule workloads in time, by deadline or arrival
description:
  - Takes a fleet and what asks for it, as M(aidc.ops.capacity_plan) does, and says when each workload runs, and on
    which nodes. Durations, deadlines, priorities, gangs, workloads that wait for others, quotas, power, nodes out of
    service and maintenance windows are kept.
  - Beside it stands what the order of arrival would give, and a bound of the mean response time that no schedule beats.
  - What cannot start at once is promised a time. Nothing that starts later delays it. Nothing that runs is stopped.
  - Nothing is done to a scheduler. The schedule is data, and each is checked by a second program before it is returned.
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
      - Shows the rows that O(dest) has and will have.
  idempotent:
    support: full
    details:
      - Times are hours from O(now), so that without O(arrivals) and O(windows) another time is no change.
options:
  problem:
    description: The problem, as of M(aidc.ops.capacity_plan). Either this or O(path).
    type: dict
  path:
    description: A JSON file with the problem.
    type: path
  order:
    description:
      - V(deadline) goes by priority, then by the earliest deadline, then, among workloads without one, by weight of the
        project over the work asked for.
      - V(fifo) goes by arrival.
      - In both, later ones may start before earlier ones where that delays no promise.
    type: str
    choices: [fifo, deadline]
    default: deadline
  arrivals:
    description:
      - When workloads arrive or arrived, by their name. They start no earlier, and response times count from there.
      - As seconds since 1970 or RFC 3339. A workload that is not named arrives now.
    type: dict
    default: {}
  windows:
    description:
      - When nodes are not to be used. Each has C(node), C(start) and C(end); other keys are not looked at, so that
        RV(aidc.ops.maintenance_windows#module:windows) will do.
    type: list
    elements: dict
    default: []
  now:
    description: The time from which the hours of the problem count, as seconds since 1970 or RFC 3339.
    type: str
    default: now
  dest:
    description: A file to which the result is written as JSON.
    type: path
requirements:
  - numpy
notes:
  - Runs on the control node.
  - Durations are taken as they are given. A workload of duration 0 runs for good, has no response time, and misses no
    deadline.
seealso:
  - module: aidc.ops.capacity_plan
  - module: aidc.ops.maintenance_windows
"""

EXAMPLES = r"""
- name: Schedule what is in a file around the maintenance
  aidc.ops.capacity_schedule:
    path: /etc/aidc_ops/capacity.json
    arrivals: {job/1001: "2026-03-01T08:00:00Z"}
    windows:
      - node: gpu-a01
        start: "2026-03-02T22:00:00Z"
        end: "2026-03-03T00:00:00Z"
    now: "2026-03-01T12:00:00Z"
    dest: /var/lib/aidc_ops/schedule.json
  delegate_to: localhost
  register: timetable

- name: Say what the order is worth
  ansible.builtin.debug:
    msg: >-
      Mean response time {{ timetable.before.mean_response_hours | round(2) }} h in the order of arrival,
      {{ timetable.after.mean_response_hours | round(2) }} h now
"""

RETURN = r"""
schedule:
  description: The schedule.
  returned: success
  type: dict
  contains:
    schema_version: {description: Version of the form of the schedule., type: int}
    order: {description: The order that made it., type: str}
    rows:
      description: One entry for each copy, the earliest first.
      type: list
      elements: dict
      contains:
        workload: {description: The workload., type: str}
        node: {description: Its node., type: str}
        gpus: {description: The numbers of its GPUs there., type: list, elements: int}
        start_hours: {description: When it starts., type: float}
        end_hours: {description: When it ends; null for one that runs for good., type: float}
    refused:
      description: What never runs.
      type: list
      elements: dict
      contains:
        workload: {description: The workload., type: str}
        reason: {description: Why., type: str}
    missed_deadlines:
      description: What ends too late, the latest first.
      type: list
      elements: dict
      contains:
        workload: {description: The workload., type: str}
        deadline_hours: {description: When it was to end., type: float}
        late_hours: {description: How much later it ends; null if it never does., type: float}
now:
  description: The time from which hours count, in seconds since 1970.
  returned: success
  type: float
before:
  description: Figures of the order of arrival, with the same keys as RV(after).
  returned: success
  type: dict
after:
  description: Figures of the schedule, over the workloads that end.
  returned: success
  type: dict
  contains:
    workloads_ended: {description: How many workloads end., type: int}
    mean_response_hours: {description: Mean of end less arrival., type: float}
    mean_response_bound_hours: {description: No schedule of the same workloads has a smaller mean., type: float}
    mean_response_gap_percent: {description: By how much it could be smaller at most., type: float}
    weighted_response_hours: {description: The same mean by weight of the projects., type: float}
    weighted_response_bound_hours: {description: No schedule has a smaller one., type: float}
    weighted_response_gap_percent: {description: By how much it could be smaller at most., type: float}
    mean_wait_hours: {description: Mean of start less arrival., type: float}
    longest_wait_hours: {description: The longest wait., type: float}
    makespan_hours: {description: When the last one ends., type: float}
    gpu_hours: {description: GPUs by hours., type: float}
    missed_deadlines: {description: How many deadlines are missed., type: int}
"""

import json
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._capacity.model import ProblemError, read_problem
from ansible_collections.aidc.ops.plugins.module_utils._capacity.problem_file import problem_data
from ansible_collections.aidc.ops.plugins.module_utils._hardware.atomic_file import FileError, find, write
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_time
from ansible_collections.aidc.ops.plugins.module_utils._schedule.model import timed
from ansible_collections.aidc.ops.plugins.module_utils._schedule.order import ORDERS
from ansible_collections.aidc.ops.plugins.module_utils._schedule.schedule import ScheduleError, make_schedule


def moment(value: Any, now: float, where: str) -> float:
    """Seconds since 1970 of what a person wrote."""
    try:
        return read_time(value, now)
    except ValueError as error:
        raise ProblemError(f"{where}: {error}") from error


def windows_of(rows: list[dict[str, Any]], now: float) -> list[tuple[str, float, float]]:
    """(node, start, end) of each window."""
    found = []
    for number, row in enumerate(rows):
        missing = [key for key in ("node", "start", "end") if key not in row]
        if missing:
            raise ProblemError(f"windows[{number}]: {', '.join(missing)} missing; a window has node, start and end")
        start, end = (moment(row[key], now, f"windows[{number}].{key}") for key in ("start", "end"))
        found.append((str(row["node"]), start, end))
    return found


def lines(text: str | None) -> str:
    """Rows of a file as text, for the diff; empty where there is none that can be read."""
    try:
        rows = json.loads(text or "")["schedule"]["rows"]
        return "".join(
            f"{row['start_hours']} {row['end_hours']} {row['node']} {row['workload']} {row['gpus']}\n" for row in rows
        )
    except (ValueError, KeyError, TypeError):
        return ""


def same(text: str | None, result: dict[str, Any]) -> bool:
    """Whether a file has that result; another time alone is no difference."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return False
    return isinstance(found, dict) and {**found, "now": 0} == {**result, "now": 0}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "problem": {"type": "dict"},
            "path": {"type": "path"},
            "order": {"type": "str", "choices": list(ORDERS), "default": "deadline"},
            "arrivals": {"type": "dict", "default": {}},
            "windows": {"type": "list", "elements": "dict", "default": []},
            "now": {"type": "str", "default": "now"},
            "dest": {"type": "path"},
        },
        required_one_of=[("problem", "path")],
        mutually_exclusive=[("problem", "path")],
        supports_check_mode=True,
    )
    params = module.params
    changed, diff = False, {}
    try:
        now = moment(params["now"], time.time(), "now")
        arrivals = {str(name): moment(value, now, f"arrivals[{name}]") for name, value in params["arrivals"].items()}
        setting = timed(read_problem(problem_data(params)), arrivals, windows_of(params["windows"], now), now)
        dest = os.path.realpath(params["dest"]) if params["dest"] else None
        there = find(dest) if dest else None
        result = {**make_schedule(setting, params["order"]), "now": now}
        if dest and there is not None:
            text = json.dumps(result, indent=1) + "\n"
            changed = not same(there.text, json.loads(text))
            if changed:
                diff = {"before": lines(there.text), "after": lines(text), "before_header": params["dest"]}
                if not module.check_mode:
                    write(dest, text, 0o644 if there.mode is None else there.mode)
    except (ProblemError, ScheduleError, FileError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, diff=diff, **result)


if __name__ == "__main__":
    main()
