#!/usr/bin/python
# Module: plans where the replicas of datasets go, and what has to move for it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dataset_plan
version_added: 0.1.0
short_description: Plan where the replicas of datasets go
description:
  - Places the replicas of each dataset in as many racks, on nodes that become about equally full, and lists what has to
    move from where it is now. New data is placed by hash (weighted rendezvous, as straw2 of CRUSH draws). What is there
    already stays, but for the excess of nodes that are too full and for copies whose node is gone.
  - The answer has the lower bound on the bytes that must move, so that one sees how near the plan is to it.
  - Moves are in an order in which there is always room, copies that were lost first, and in waves that keep to
    O(moves_per_node) and O(wave_bytes).
  - Nothing is moved. The same input gives the same plan, and every plan is checked before it is returned.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
options:
  nodes:
    description: The storage nodes that can hold data. One that failed or is to be emptied is left out.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the node., type: str, required: true}
      rack:
        description: What may fail as a whole, with all of its nodes. Nodes without it share one.
        type: str
      bytes: {description: Capacity., type: int, required: true}
  datasets:
    description: The data.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the dataset., type: str, required: true}
      bytes: {description: Size of one replica., type: int, required: true}
      replicas: {description: 'Copies, each in a rack of its own.', type: int, default: 1}
  present:
    description:
      - The nodes that hold a copy now, for each piece, as RV(placement) of the last plan. Nodes that are gone are
        named too.
    type: dict
    default: {}
  piece_bytes:
    description: A larger dataset is cut into equal pieces of at most so many bytes.
    type: int
    default: 100000000000
  tolerance:
    description: How much fuller than its fair share a node may be; 0.02 is 2 percent.
    type: float
    default: 0.02
  moves_per_node:
    description: In how many moves of one wave a node takes part at most.
    type: int
    default: 2
  wave_bytes:
    description: How many bytes one wave moves at most. A larger piece has a wave of its own.
    type: int
    default: 10000000000000
  bytes_per_second:
    description: How fast all moves together may be. With it each wave says how long it takes at least.
    type: int
  earlier:
    description:
      - RV(fingerprint) and RV(placement) of a plan that was begun. If nodes and data are still the same, what is left
        of it is the answer.
    type: dict
    suboptions:
      fingerprint: {description: That of the plan., type: str, required: true}
      placement: {description: That of the plan., type: dict, required: true}
"""

EXAMPLES = r"""
- name: Plan for two nodes that are new
  aidc.ops.dataset_plan:
    nodes: "{{ storage_nodes }}"
    datasets: "{{ datasets }}"
    present: "{{ lookup('ansible.builtin.file', 'placement.json') | from_json }}"
    bytes_per_second: 2000000000
  register: placement

- name: Say what it costs
  ansible.builtin.debug:
    msg: "{{ placement.moved_bytes }} bytes, {{ placement.moved_over_least }} of what must move"
"""

RETURN = r"""
placement: {description: The nodes of each piece., returned: success, type: dict, sample: {images/0: [st1, st4]}}
moves:
  description: What has to move, in order.
  returned: success
  type: list
  elements: dict
  contains:
    piece: {description: The piece., type: str}
    size: {description: Bytes to copy., type: int}
    source: {description: Where to copy from; empty if no copy is left or the data is new., type: str}
    to: {description: Where the copy goes; empty if one is only removed., type: str}
    drop: {description: Where a copy is removed afterwards; empty if nowhere., type: str}
    wave: {description: Moves of one wave may run at the same time., type: int}
waves:
  description: The waves.
  returned: success
  type: list
  elements: dict
  contains:
    wave: {description: Number., type: int}
    moves: {description: How many moves., type: int}
    bytes: {description: Bytes to copy., type: int}
    seconds: {description: Least time at O(bytes_per_second); null without it., type: float}
moved_bytes: {description: Bytes that move; data that is new is not among them., returned: success, type: int}
least_bytes: {description: The least that must move for this., returned: success, type: float}
moved_over_least: {description: One over the other; null if nothing must move., returned: success, type: float}
new_bytes: {description: Bytes of data that is new., returned: success, type: int}
fullest_before: {description: The fullest node over its fair share., returned: success, type: float}
fullest_after: {description: The same afterwards., returned: success, type: float}
fingerprint: {description: 'Of nodes, data and tolerance, for O(earlier).', returned: success, type: str}
notes: {description: What else is to be said., returned: success, type: list, elements: str}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import Placement, make_nodes, make_pieces
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.plan import Plan, make_plan
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.verify import problems


def _placement(option: str, given: t.Mapping[str, t.Any]) -> Placement:
    found = {}
    for piece, names in given.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise StoragePlanError(f"{option}: {piece} has to be a list of names of nodes, not {names!r:.100}")
        found[piece] = tuple(names)
    return found


def _waves(plan: Plan, rate: int | None) -> list[dict[str, t.Any]]:
    found: dict[int, dict[str, t.Any]] = {}
    for move in plan.moves:
        wave = found.setdefault(move.wave, {"wave": move.wave, "moves": 0, "bytes": 0, "seconds": None})
        wave["moves"] += 1
        wave["bytes"] += move.size
        if rate:
            wave["seconds"] = wave["bytes"] / rate
    return list(found.values())


def main() -> None:
    size = {"type": "int", "required": True}
    name = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"name": name, "rack": {"type": "str"}, "bytes": size},
            },
            "datasets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"name": name, "bytes": size, "replicas": {"type": "int", "default": 1}},
            },
            "present": {"type": "dict", "default": {}},
            "piece_bytes": {"type": "int", "default": 100000000000},
            "tolerance": {"type": "float", "default": 0.02},
            "moves_per_node": {"type": "int", "default": 2},
            "wave_bytes": {"type": "int", "default": 10000000000000},
            "bytes_per_second": {"type": "int"},
            "earlier": {
                "type": "dict",
                "options": {"fingerprint": name, "placement": {"type": "dict", "required": True}},
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    for option in ("moves_per_node", "wave_bytes", "bytes_per_second"):
        if params[option] is not None and params[option] < 1:
            module.fail_json(msg=f"{option} has to be at least 1, not {params[option]}")
    if not 0 <= params["tolerance"] <= 1:
        module.fail_json(msg=f"tolerance has to be between 0 and 1, not {params['tolerance']}")
    try:
        nodes = make_nodes(params["nodes"])
        pieces = make_pieces(params["datasets"], params["piece_bytes"], len({node.domain for node in nodes}))
        present = _placement("present", params["present"])
        earlier = params["earlier"]
        begun = None
        if earlier:
            begun = (earlier["fingerprint"], _placement("earlier.placement", earlier["placement"]))
        plan = make_plan(
            nodes, pieces, present, params["tolerance"], params["moves_per_node"], params["wave_bytes"], begun
        )
    except StoragePlanError as exc:
        module.fail_json(msg=str(exc))
    wrong = problems(nodes, pieces, present, plan)
    if wrong:
        module.fail_json(msg=f"the plan does not hold, so it is not returned: {'; '.join(wrong[:5])}")
    module.exit_json(
        changed=False,
        placement={piece: list(names) for piece, names in plan.placement.items()},
        moves=[move._asdict() for move in plan.moves],
        waves=_waves(plan, params["bytes_per_second"]),
        moved_bytes=plan.moved_bytes,
        least_bytes=plan.least_bytes,
        moved_over_least=plan.moved_bytes / plan.least_bytes if plan.least_bytes else None,
        new_bytes=plan.new_bytes,
        fullest_before=plan.fullest_before,
        fullest_after=plan.fullest_after,
        fingerprint=plan.fingerprint,
        notes=plan.notes,
    )


if __name__ == "__main__":
    main()
