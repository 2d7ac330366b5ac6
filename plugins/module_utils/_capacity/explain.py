# Why a workload is refused: the smallest reason, and what would have to be freed.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the filled board. A reason names numbers that a person can check."""

from __future__ import annotations

import collections
import typing as t

from .board import Board
from .model import Node, Workload
from .numeric import np


class Refusal(t.NamedTuple):
    """``missing`` copies of a workload, why, and the node that is nearest to holding one (with what it lacks)."""

    workload: str
    missing: int
    reason: str
    nearest: str
    lacks: dict[str, int]


def needs(work: Workload) -> str:
    """What one copy needs, in words."""
    parts = []
    if work.gpus:
        models = " or ".join(work.gpu_models) or "GPU"
        part = f"{work.gpus} x {models}"
        if work.mig_profile:
            part = f"a MIG instance {work.mig_profile} of a {models}"
        elif work.gpu_share_milli < 1000:
            part = f"{work.gpu_share_milli / 10:g} % of a {models}"
        part += " that only interactive work shares" if work.kin else ""
        memory = f" with {work.gpu_memory_mib} MiB" if work.gpu_memory_mib else ""
        parts.append(part + memory)
    if work.cpu_milli:
        parts.append(f"{_cores(work.cpu_milli)} cores")
    if work.memory_mib:
        parts.append(f"{work.memory_mib:,} MiB of memory")
    if work.network_mbit:
        parts.append(f"{work.network_mbit:,} Mbit/s")
    if work.engine:
        parts.append(f"a node of {work.engine}")
    return ", ".join(parts) or "nothing"


def refusals(board: Board) -> list[Refusal]:
    """All workloads of which something is missing."""
    case = board.case
    placed = collections.Counter(one.workload for one in board.placements)
    kind_of = {name: number for number, kind in enumerate(case.kinds) for name, _unused in kind.works}
    told: dict[tuple[int, int], tuple[str, str, dict[str, int]]] = {}
    found = []
    for work in case.problem.workloads:
        missing = work.copies - placed[work.name]
        if missing <= 0:
            continue
        if work.name in case.refused:
            found.append(Refusal(work.name, missing, case.refused[work.name], "", {}))
        elif work.name not in kind_of:
            found.append(Refusal(work.name, missing, _never(work, board), "", {}))
        else:
            key = (kind_of[work.name], work.copies)
            if key not in told:
                told[key] = _reason(board, key[0], work)
            found.append(Refusal(work.name, missing, *told[key]))
    return found


def _never(work: Workload, board: Board) -> str:
    """No usable node could hold a copy even when empty."""
    every, usable = board.case.problem.nodes, board.case.nodes
    could = [node for node in every if work.admits(node)]
    if could:
        out = sum(1 for node in could if not node.in_service)
        parts = [f"{out} out of service"] if out else []
        if len(could) > out:
            parts.append(f"{len(could) - out} kept free for failures")
        return f"needs {needs(work)}: {_count(len(could))} could hold it, {' and '.join(parts)}"
    if work.gpus and work.gpu_models:
        have = [node for node in every if node.gpu_model in work.gpu_models]
        if not have:
            return f"needs {needs(work)}: no node has that GPU"
    if work.mig_profile and not any(work.admits_gpu(node) for node in every):
        return f"needs {needs(work)}: no node has a GPU that a plan may cut so (mig_slices)"
    total = work.copies * work.cpu_milli
    if sum(node.cpu_milli for node in usable) < total:
        cores = _cores(sum(node.cpu_milli for node in usable))
        return (
            f"asks for {_cores(total)} cores in all and {_cores(work.cpu_milli)} on one node; "
            f"{_count(len(usable))} have {cores} together and at most {_cores(_most(usable, 'cpu_milli'))}"
        )
    for name, word, unit in (
        ("cpu_milli", "cores", 1000),
        ("memory_mib", "MiB of memory", 1),
        ("gpus", "GPUs", 1),
        ("network_mbit", "Mbit/s", 1),
    ):
        asked = getattr(work, name)
        if asked > _most(usable, name):
            most = _most(usable, name)
            return (
                f"needs {asked / unit:,g} {word} on one node; the largest of {_count(len(usable))} has {most / unit:,g}"
            )
    return f"needs {needs(work)} on one node; no node has all of that"


def _most(nodes: t.Sequence[Node], name: str) -> int:
    return max((int(getattr(node, name)) for node in nodes), default=0)


def _cores(milli: int) -> str:
    return f"{milli / 1000:,.3f}".rstrip("0").rstrip(".")


def _count(number: int) -> str:
    return f"{number:,} node{'' if number == 1 else 's'}"


def _reason(board: Board, number: int, work: Workload) -> tuple[str, str, dict[str, int]]:
    """Nodes exist that could hold it: what stands in the way now."""
    case = board.case
    project = case.project(work)
    if project is not None and project.quota_gpu_milli is not None:
        used = board.project_used.get(work.project, 0)
        asked = work.gpu_milli * (work.copies if work.gang else 1)
        if used + asked > project.quota_gpu_milli:
            return (
                f"project {work.project} has {used / 1000:g} of its {project.quota_gpu_milli / 1000:g} GPUs in use, "
                f"and this needs {asked / 1000:g}",
                "",
                {},
            )
    could = np.flatnonzero(board.admits[number])
    total = work.copies * work.cpu_milli
    if work.gang and sum(case.nodes[place].cpu_milli for place in could) < total:
        cores = _cores(sum(case.nodes[place].cpu_milli for place in could))
        return f"asks for {_cores(total)} cores in all; the {_count(len(could))} that suit it have {cores}", "", {}
    roomy = could[board.fits(number, could)]
    text = f"{work.copies} copies together, each with " if work.gang and work.copies > 1 else ""
    where = {"any": "", "rack": " in one rack", "leaf": " at one leaf switch", "nvlink": " in one NVLink domain"}[
        work.locality
    ]
    head = f"needs {text}{needs(work)}{where}; {_count(len(could))} could hold it"
    if len(roomy):
        return f"{head}, {_blocked(board, number, work, roomy)}", "", {}
    have = sum(case.nodes[place].cpu_milli for place in could)
    if not work.gpus and have < total:
        return (
            f"asks for {_cores(total)} cores in all; the {_count(len(could))} that suit it have {_cores(have)}",
            "",
            {},
        )
    node, lacks = _nearest(board, number, could)
    short = ", ".join(f"{amount:,} {name}" for name, amount in lacks.items())
    return f"{head}, all too full; {node} is nearest and lacks {short}", node, lacks


def _blocked(board: Board, number: int, work: Workload, roomy: t.Any) -> str:
    """Nodes have room, and a rule forbids them."""
    case = board.case
    allowed = board.allowed(number)
    free = [int(place) for place in roomy if allowed is None or allowed[place]]
    if free and work.gang:
        if work.locality == "any":
            return f"{len(free)} have room, too few for all copies"
        domains = collections.Counter(case.nodes[place].domain(work.locality) for place in free)
        name, most = domains.most_common(1)[0]
        return f"{len(free)} have room, at most {most} of them together ({name or 'unknown'})"
    if free:
        return f"{len(free)} have room, which more important workloads need by the order of the objectives"
    over = [case.nodes[place].feed for place in roomy if case.nodes[place].feed in board.limits]
    if over:
        racks = sorted({case.nodes[place].rack or "unknown" for place in roomy})
        feeds = ", ".join(
            f"{name or 'unknown'} ({board.feed_used[name]:,.0f} of {board.limits[name]:,.0f} W)"
            for name in sorted(set(over))
        )
        return f"{len(roomy)} have room, all in rack {', '.join(racks)} whose power feed is at its ceiling: {feeds}"
    if case.problem.policy.limit_watts is not None and work.name not in board.spread:
        return f"{len(roomy)} have room, and all nodes together are at the power limit"
    return f"{len(roomy)} have room, and hold as many copies of it, themselves or their racks, as its spread allows"


def _nearest(board: Board, number: int, could: t.Any) -> tuple[str, dict[str, int]]:
    """The node that lacks least, and what."""
    work = board.case.kinds[number].work
    best: tuple[float, int, dict[str, int]] = (float("inf"), -1, {})
    for place in could:
        gpus = int((board.usable(work, int(place)) >= work.gpu_share_milli).sum())
        lacks = {
            "GPUs": max(0, work.gpus - gpus),
            "milli-cores": max(0, work.cpu_milli - int(board.cpu[place])),
            "MiB": max(0, work.memory_mib - int(board.memory[place])),
            "Mbit/s": max(0, work.network_mbit - int(board.network[place])),
        }
        asked = (work.gpus, work.cpu_milli, work.memory_mib, work.network_mbit)
        size = sum(amount / need for amount, need in zip(lacks.values(), asked) if need)
        if size < best[0]:
            best = (size, int(place), {name: amount for name, amount in lacks.items() if amount})
    return board.case.nodes[best[1]].name, best[2]
