# Nodes that have promised more than they have count as full.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Dict

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks

Row = Dict[str, Any]


def make_room(nodes: Mapping[str, Row], workloads: Sequence[Row], remarks: Remarks) -> None:
    """Give a node as much processor and memory as what runs there and may not move was promised.

    Schedulers can be told to promise more than there is. Without this the planner would throw somebody out.
    """
    for key in ("cpu_milli", "memory_mib"):
        used: Counter[str] = Counter()
        for row in workloads:
            for name in () if row.get("may_move", True) else row.get("running_on", ()):
                used[name] += row[key]
        for name, much in used.items():
            if much > nodes[name][key]:
                nodes[name][key] = much
                remarks.add("run more than they have, and count as full", "node", name)
