# What the drills of one run measured, as a JSON file and as a table.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds from the injection of each fault, as the playbook aidc.ops.drill tells them at its end."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[3] / ".cache" / "lab-drills.json"
SPANS = ("recognised", "contained", "repaired", "ended")

_rows: list[dict[str, Any]] = []
_lock = threading.Lock()


def read(node: str, text: str) -> dict[str, float | None] | None:
    """The spans of a node in the output of the playbook; None if there are none, as in check mode."""
    span = r"(?:([0-9.]+) s|-)"
    found = re.findall(rf"\b{re.escape(node)} +[0-9]+ +{' +'.join([span] * len(SPANS))} ", text)
    if not found:
        return None
    return {name: float(value) if value else None for name, value in zip(SPANS, found[-1], strict=True)}


def keep(fault: str, node: str, text: str) -> None:
    """Remember what the drill of a fault said, and write all of this run; drills run side by side."""
    spans = read(node, text)
    if spans is None:
        return
    with _lock:
        _rows.append({"fault": fault, "node": node, **spans})
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(_rows, indent=2) + "\n", encoding="utf-8")


def table() -> list[str]:
    """The lines of the table; none without a drill."""
    if not _rows:
        return []
    width = max(len(row["fault"]) for row in _rows)
    lines = ["  ".join([f"{'fault':{width}}", "node", *(f"{name:>10}" for name in SPANS)])]
    for row in sorted(_rows, key=lambda row: row["fault"]):
        cells = [f"{row[name]:8.1f} s" if row[name] is not None else f"{'-':>10}" for name in SPANS]
        lines.append("  ".join([f"{row['fault']:{width}}", row["node"], *cells]))
    return lines
