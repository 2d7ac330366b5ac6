#!/usr/bin/python
# Module: chooses when nodes are maintained, by the forecast of demand.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_windows
version_added: 0.1.0
short_description: Choose when nodes are maintained, where demand is lowest
description:
  - Takes a forecast of M(aidc.ops.capacity_forecast) and nodes that need maintenance, and gives each a window in which
    demand is lowest and still fits on what is left of the fleet.
  - Limits on nodes of a rack and nodes at once, and on the hours of the day, are kept. What finds no window is returned
    with the reason.
  - Writes the windows as JSON and as a calendar (RFC 5545). Nothing is done to a node or a scheduler.
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
      - Shows the windows that O(dest) has and will have, or else those of O(ics_path).
  idempotent:
    support: full
    details:
      - The same forecast and nodes have the same windows. The time stamp of the calendar is the begin of the forecast.
options:
  forecast:
    description: RV(aidc.ops.capacity_forecast#module:forecast_demand).
    type: dict
    required: true
  series:
    description: Which of its series or projects; V(total) for all together. Its unit is GPUs.
    type: str
    default: total
  quantile:
    description: The quantile of demand that has to fit.
    type: float
    default: 0.9
  capacity:
    description: GPUs of the fleet that serve this demand, when nothing is maintained.
    type: float
    required: true
  nodes:
    description: The nodes that need maintenance.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: The node., type: str, required: true}
      minutes: {description: How long it is away., type: int, required: true}
      gpus: {description: Its GPUs that serve this demand., type: int, required: true}
      rack: {description: Its rack. Nodes without it share one., type: str, default: ''}
      summary: {description: What the calendar says., type: str, default: ''}
  most_per_rack:
    description: So many nodes of a rack may be away at once; 0 is no limit.
    type: int
    default: 1
  most_at_once:
    description: So many nodes may be away at once; 0 is no limit.
    type: int
    default: 0
  hours:
    description: Hours of the day in which windows lie, such as V(22:00-06:00). Without it the whole day.
    type: list
    elements: str
    default: []
  zone:
    description: The time zone of O(hours), such as V(Europe/Berlin).
    type: str
    default: UTC
  site:
    description: With the name of the node it makes the identity of an event, so that sites keep theirs apart.
    type: str
    default: ''
  dest:
    description: A file to which the windows are written as JSON.
    type: path
  ics_path:
    description: A file to which they are written as a calendar.
    type: path
requirements:
  - numpy
notes:
  - Runs on the control node.
  - Windows begin on a quarter of an hour. They are chosen one after the other, nodes with most GPUs and minutes first.
seealso:
  - module: aidc.ops.capacity_forecast
  - module: aidc.ops.capacity_schedule
"""

EXAMPLES = r"""
- name: Foretell a fortnight
  aidc.ops.capacity_forecast:
    csv_path: /srv/accounting/gpus.csv
    horizon: 14d
  register: demand

- name: Update two nodes at night
  aidc.ops.maintenance_windows:
    forecast: "{{ demand.forecast_demand }}"
    capacity: 512
    nodes:
      - {name: gpu-a01, minutes: 90, gpus: 8, rack: a, summary: Firmware of the network cards}
      - {name: gpu-a02, minutes: 90, gpus: 8, rack: a, summary: Firmware of the network cards}
    hours: ["22:00-06:00"]
    zone: Europe/Berlin
    dest: /var/lib/aidc_ops/maintenance.json
    ics_path: /srv/www/maintenance.ics
  register: maintenance
"""

RETURN = r"""
windows:
  description: The windows, the earliest first.
  returned: success
  type: list
  elements: dict
  contains:
    node: {description: The node., type: str}
    start: {description: 'When it begins, in seconds since 1970.', type: int}
    end: {description: When it ends., type: int}
    summary: {description: What it is for., type: str}
    demand: {description: The highest demand foretold meanwhile., type: float}
    capacity_left: {description: GPUs that are left meanwhile., type: float}
refused:
  description: What found no window.
  returned: success
  type: list
  elements: dict
  contains:
    node: {description: The node., type: str}
    reason: {description: Why., type: str}
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._capacity.numeric import HAS_NUMPY
from ansible_collections.aidc.ops.plugins.module_utils._hardware.atomic_file import FileError, find, write
from ansible_collections.aidc.ops.plugins.module_utils._schedule.ics import calendar
from ansible_collections.aidc.ops.plugins.module_utils._schedule.maintenance import (
    Limits,
    MaintenanceError,
    Need,
    choose,
    read_demand,
)

NODE = {
    "name": {"type": "str", "required": True},
    "minutes": {"type": "int", "required": True},
    "gpus": {"type": "int", "required": True},
    "rack": {"type": "str", "default": ""},
    "summary": {"type": "str", "default": ""},
}


def limits_of(params: dict[str, Any]) -> Limits:
    """The limits, with the time zone read."""
    try:
        from zoneinfo import ZoneInfo  # novm: it runs on the control node

        zone = ZoneInfo(params["zone"])
    except (ImportError, KeyError, ValueError, OSError) as error:
        raise MaintenanceError(f"zone: {params['zone']!r} is no time zone known here, such as Europe/Berlin") from error
    return Limits(params["capacity"], params["most_per_rack"], params["most_at_once"], tuple(params["hours"]), zone)


def needs_of(rows: list[dict[str, Any]]) -> list[Need]:
    """What each node needs."""
    return [Need(row["name"], row["minutes"], row["gpus"], row["rack"], row["summary"]) for row in rows]


def place(module: AnsibleModule, path: str, text: str) -> dict[str, str] | None:
    """Write a file unless it is that already. The difference, or None."""
    target = os.path.realpath(path)
    there = find(target)
    # Read without its carriage returns.
    after = text.replace("\r\n", "\n")
    if there.text == after:
        return None
    if not module.check_mode:
        write(target, text, 0o644 if there.mode is None else there.mode)
    return {"before": there.text or "", "after": after, "before_header": path, "after_header": path}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "forecast": {"type": "dict", "required": True},
            "series": {"type": "str", "default": "total"},
            "quantile": {"type": "float", "default": 0.9},
            "capacity": {"type": "float", "required": True},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": NODE},
            "most_per_rack": {"type": "int", "default": 1},
            "most_at_once": {"type": "int", "default": 0},
            "hours": {"type": "list", "elements": "str", "default": []},
            "zone": {"type": "str", "default": "UTC"},
            "site": {"type": "str", "default": ""},
            "dest": {"type": "path"},
            "ics_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not HAS_NUMPY:
        module.fail_json(msg="maintenance windows need the Python library numpy on the control node; install numpy")
    diffs = []
    try:
        demand = read_demand(params["forecast"], params["series"], params["quantile"])
        found = choose(demand, needs_of(params["nodes"]), limits_of(params))
        files = []
        if params["dest"]:
            files.append((params["dest"], json.dumps({"schema_version": 1, **found}, indent=1) + "\n"))
        if params["ics_path"]:
            files.append((params["ics_path"], calendar(found["windows"], demand.begin, params["site"])))
        for path, _unused in files:
            # A path that cannot be written is told before another one is.
            find(os.path.realpath(path))
        diffs = [diff for diff in (place(module, path, text) for path, text in files) if diff]
    except (MaintenanceError, FileError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(diffs), diff=diffs[0] if diffs else {}, **found)


if __name__ == "__main__":
    main()
