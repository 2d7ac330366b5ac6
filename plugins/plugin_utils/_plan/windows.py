# Makes the table of planned maintenance windows.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.aidc.ops.plugins.plugin_utils._report import panels, units
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import View, natural


def windows(found: Sequence[Mapping[str, t.Any]]) -> View:
    """The windows of aidc.ops.maintenance_windows, the first one first."""
    rows = [
        [
            panels.words(one["node"]),
            panels.words(units.clock(float(one["start"]))),
            panels.words(units.clock(float(one["end"]))),
            panels.words(one.get("summary") or units.NOTHING),
            panels.cell(_figure(one.get("demand")), ""),
            panels.cell(_figure(one.get("capacity_left")), ""),
        ]
        for one in sorted(found, key=lambda one: (float(one["start"]), natural(str(one["node"]))))
    ]
    head = ("Node", "Begins (UTC)", "Ends", "What for", "Highest demand then", "GPUs left then")
    return panels.table(head, rows, "None is planned.", shown=100)


def _figure(value: t.Any) -> float | None:
    return None if value is None else float(value)
