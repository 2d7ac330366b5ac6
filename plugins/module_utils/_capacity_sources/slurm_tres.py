# What Slurm calls trackable resources, in all of its ways of writing them: how many GPUs of which type.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""22.05 writes C(gres:gpu:h100:2) where 24.11 writes C(gres/gpu:h100:2), and C(gres/gpu=1) for a task. Lists of what is
in use are C(gpu:h100:4(IDX:0-3)), totals C(cpu=8,mem=64G,gres/gpu=16,gres/gpu:h100=16).
"""

from __future__ import annotations

import re
from typing import Dict

Gpus = Dict[str, int]
"""Type -> count; the type of GPUs without one is "gpu"."""

_BRACKETS = re.compile(r"\([^()]*\)")
_GPU = re.compile(r"(?:gres[:/])?gpu(?::(?P<type>[A-Za-z_][^:=,]*|[0-9]+g\.[^:=,]*))?(?:[:=](?P<count>[0-9]+))?")
_OTHER = re.compile(r"(?:gres[:/])?(?P<name>[a-z_]+)[:=/]")
_LARGEST = 1_000_000


def gpus(text: str) -> Gpus:
    """The GPUs of such a text; nothing for other resources. ValueError for a number that cannot be."""
    found: Gpus = {}
    total = 0
    for entry in _BRACKETS.sub("", text).split(","):
        match = _GPU.fullmatch(entry.strip())
        if match is None:
            continue
        count = int(match["count"] or 1)
        if count > _LARGEST:
            raise ValueError(f"{entry[:60]!r} is no number of GPUs")
        if match["type"]:
            found[match["type"]] = found.get(match["type"], 0) + count
        else:
            total += count
    # A total that is followed by its parts counts once.
    rest = total - sum(found.values())
    if rest > 0:
        found["gpu"] = rest
    return {kind: count for kind, count in found.items() if count}


def shared(text: str) -> bool:
    """Whether parts of GPUs are asked for, as shards or through MPS."""
    names = {match["name"] for match in map(_OTHER.match, text.split(",")) if match}
    return bool(names & {"shard", "mps"})


def per_gpu(text: str) -> int:
    """The number of C(gres/gpu:4) or C(gres/gpu:h100:4), which there is a number for each GPU; 0 without one."""
    return max(gpus(text).values(), default=0)
