# Makes the few bundles of questions that a report asks a Prometheus-compatible server.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question for each section and kind in place of one for each number: starting a module costs more than its answer.

Two answers of a bundle differ in a label at least, so none hides another, and each keeps its own name.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import PANEL_LABEL

NOW, OVER_TIME = "now", "over_time"


def questions(sections: Sequence[Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """Section, kind (now, over_time) and PromQL of each bundle. KeyError and TypeError for what is no section."""
    found = []
    for section in sections:
        for kind in (NOW, OVER_TIME):
            parts = [
                f'label_replace(\n{query.strip()}\n, "{PANEL_LABEL}", "{panel["id"]}.{name}", "", "")'
                for panel in section["panels"]
                for name, query in queries(panel, kind)
            ]
            if parts:
                found.append({"section": section["id"], "kind": kind, "query": "\nor ".join(parts)})
    return found


def queries(panel: Mapping[str, t.Any], kind: str) -> Iterator[tuple[str, str]]:
    """Name and PromQL of what a panel asks of one kind."""
    for name, query in (panel.get("queries") or {}).items():
        drawn = panel["kind"] == "curves" and name != "basis"
        wanted = not drawn if kind == NOW else drawn or (panel.get("trend") and name == "value")
        if wanted:
            yield name, query
