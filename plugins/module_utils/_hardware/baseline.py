# Judges whether a hardware record may become the baseline of its node.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. A baseline is what a node should have: neither what nobody could ask today, nor what is broken today."""

from __future__ import annotations

import typing as t

# The parts that every node can tell about itself. Some kernels know no NUMA nodes, and fans need a BMC that answers.
_OWN_PARTS = ("cpus", "gpus", "nics", "disks", "pcie_links")


def unfit(record: t.Mapping[str, t.Any]) -> list[str]:
    """Return why a good record is no baseline, one sentence each; empty if it may be one."""
    reasons = []
    if not record["node"]["id"]:
        reasons.append("the node has no stable id")
    reasons += [f"nobody could tell its {part}" for part in _OWN_PARTS if record[part] is None]
    for gpu in record["gpus"] or ():
        name = gpu["device"] or "a GPU"
        if gpu["lost"]:
            reasons.append(f"{name} no longer answers (lost)")
        elif gpu["error"] is not None:
            reasons.append(f"{name} cannot be read: {gpu['error']}")
    return reasons
