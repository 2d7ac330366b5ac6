# An independent check of a plan: own arithmetic, nothing of the planner.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule is checked again from the problem alone. A plan that breaks one is never returned."""

from __future__ import annotations

import collections
import typing as t

if t.TYPE_CHECKING:
    from .model import Node, Problem, Workload

# Watts are sums of floats.
SLACK_WATTS = 1e-6


def broken_rules(problem: Problem, placements: t.Sequence[tuple[str, str, t.Sequence[int]]]) -> list[str]:
    """What is wrong with these placements (workload, node, GPU numbers); an empty list if nothing is."""
    nodes = {node.name: node for node in problem.nodes}
    works = {work.name: work for work in problem.workloads}
    wrong: list[str] = []
    on_node: dict[str, list[tuple[Workload, t.Sequence[int]]]] = collections.defaultdict(list)
    where: dict[str, list[Node]] = collections.defaultdict(list)
    for workload, name, gpus in placements:
        if workload not in works:
            wrong.append(f"{workload}: no such workload")
        elif name not in nodes:
            wrong.append(f"{workload}: no node {name}")
        else:
            on_node[name].append((works[workload], gpus))
            where[workload].append(nodes[name])
    for name, held in on_node.items():
        wrong += _node(nodes[name], held)
    for workload, places in where.items():
        wrong += _workload(works[workload], places)
    wrong += _projects(problem, where)
    wrong += _power(problem, on_node)
    wrong += _reserve(problem, set(on_node))
    for work in problem.workloads:
        if work.after and where.get(work.name) and not set(work.running_on):
            wrong.append(f"{work.name}: placed although it waits for {', '.join(work.after)}")
    return wrong


def _node(node: Node, held: t.Sequence[tuple[Workload, t.Sequence[int]]]) -> t.Iterator[str]:
    """Room, GPUs and service of one node."""
    if not node.in_service:
        yield f"{node.name}: out of service, and holds {held[0][0].name}"
    for need, room in (
        ("cpu_milli", node.cpu_milli),
        ("memory_mib", node.memory_mib),
        ("network_mbit", node.network_mbit),
    ):
        used = sum(getattr(work, need) for work, _unused in held)
        if used > room:
            yield f"{node.name}: {need} {used} of {room}"
    used_gpu: dict[int, int] = collections.defaultdict(int)
    instances: dict[int, list[str]] = collections.defaultdict(list)
    waited: dict[int, set[bool]] = collections.defaultdict(set)
    for work, gpus in held:
        yield from unsuited(node, work, gpus)
        for gpu in gpus:
            used_gpu[gpu] += work.gpu_share_milli
            if work.mig_profile:
                instances[gpu].append(work.mig_profile)
            elif work.gpu_share_milli < 1000:
                waited[gpu].add(work.latency_class == "interactive")
    for gpu, used in used_gpu.items():
        if used > 1000:
            yield f"{node.name}: GPU {gpu} is used to {used} of 1000"
    for gpu, both in waited.items():
        if len(both) > 1:
            yield f"{node.name}: GPU {gpu} is shared by interactive and other work"
    for gpu, profiles in instances.items():
        if len(profiles) > 1 and not can_be_cut(profiles, node.mig_slices, node.gpu_memory_mib):
            yield f"{node.name}: GPU {gpu} has no layout of {', '.join(sorted(profiles))}"


def unsuited(node: Node, work: Workload, gpus: t.Sequence[int]) -> t.Iterator[str]:
    """Why one copy must not be on those GPUs of a node, whatever else is there."""
    if work.engine and node.engine and work.engine != node.engine:
        yield f"{node.name}: belongs to {node.engine}, and {work.name} to {work.engine}"
    if len(gpus) != work.gpus or len(set(gpus)) != len(gpus):
        yield f"{node.name}: {work.name} needs {work.gpus} GPUs, got {list(gpus)}"
    if work.gpus and work.gpu_models and node.gpu_model not in work.gpu_models:
        yield f"{node.name}: {work.name} does not run on {node.gpu_model}"
    if work.gpus and work.gpu_memory_mib > node.gpu_memory_mib * work.gpu_share_milli / 1000:
        yield f"{node.name}: {work.name} needs {work.gpu_memory_mib} MiB of GPU memory"
    if work.gpu_share_milli < 1000 and node.mig_slices and not work.mig_profile:
        yield f"{node.name}: {work.name} shares a GPU that only MIG may cut"
    if work.mig_profile and not can_be_cut([work.mig_profile], node.mig_slices, node.gpu_memory_mib):
        yield f"{node.name}: {work.name} needs a MIG instance {work.mig_profile}"
    for gpu in gpus:
        if not 0 <= gpu < node.gpus:
            yield f"{node.name}: no GPU {gpu}"


# Places of memory of a GPU by its compute slices; where an instance may begin, by the slices and places it takes.
_MIG_PLACES = {4: 4, 7: 8}
_MIG_STARTS: dict[int, dict[tuple[int, int], t.Sequence[int]]] = {
    4: {(1, 1): (0, 1, 2, 3), (2, 2): (0, 2), (4, 4): (0,)},
    7: {(1, 1): range(7), (1, 2): (0, 2, 4, 6), (2, 2): (0, 2, 4), (3, 4): (0, 4), (4, 4): (0,), (7, 8): (0,)},
}


def can_be_cut(profiles: t.Sequence[str], slices: int, memory_mib: int) -> bool:
    """Whether a GPU has a layout of these MIG instances: every one at a place where it may begin, none over another.

    Places: NVIDIA's MIG user guide, and what C(nvidia-smi mig -lgipp) tells of A100, A30 and H100.
    """
    if slices not in _MIG_PLACES or not memory_mib:
        return False
    wanted = []
    for name in profiles:
        taken, _unused, memory = name.partition("g.")
        own = int(memory[:-2]) * 1024 / (memory_mib / _MIG_PLACES[slices])
        # Names round; one that is further off is a profile of another GPU.
        wanted.append((int(taken), round(own) if abs(own - round(own)) < 0.1 * own else 0))
    starts = _MIG_STARTS[slices]
    if any(one not in starts for one in wanted) or sum(one[0] for one in wanted) > slices:
        return False
    ways = {0}
    for one in sorted(wanted, key=lambda one: -one[1]):
        here = [((1 << one[1]) - 1) << start for start in starts[one]]
        ways = {way | place for way in ways for place in here if not way & place}
    return bool(ways)


def _workload(work: Workload, places: t.Sequence[Node]) -> t.Iterator[str]:
    """Copies, gang, locality, spread and what must not move."""
    if len(places) > work.copies:
        yield f"{work.name}: {len(places)} copies of {work.copies}"
    if work.gang and len(places) != work.copies:
        yield f"{work.name}: {len(places)} copies of a gang of {work.copies}"
    if work.locality == "rack" and len({node.rack for node in places}) > 1:
        yield f"{work.name}: in more than one rack"
    if work.locality == "leaf" and len({node.leaf for node in places}) > 1:
        yield f"{work.name}: at more than one leaf switch"
    if work.locality == "nvlink" and len({node.nvlink_domain or f"\0{node.name}" for node in places}) > 1:
        yield f"{work.name}: in more than one NVLink domain"
    per_node = collections.Counter(node.name for node in places)
    if work.most_per_node and max(per_node.values()) > work.most_per_node:
        yield f"{work.name}: more than {work.most_per_node} copies on a node"
    per_rack = collections.Counter(node.rack for node in places)
    if work.most_per_rack and max(per_rack.values()) > work.most_per_rack:
        yield f"{work.name}: more than {work.most_per_rack} copies in a rack"


def _projects(problem: Problem, where: t.Mapping[str, t.Sequence[Node]]) -> t.Iterator[str]:
    """Quotas."""
    used: dict[str, int] = collections.defaultdict(int)
    for work in problem.workloads:
        used[work.project] += len(where.get(work.name, ())) * work.gpus * work.gpu_share_milli
    for project in problem.projects:
        if project.quota_gpu_milli is not None and used[project.name] > project.quota_gpu_milli:
            yield f"project {project.name}: {used[project.name]} of {project.quota_gpu_milli} thousandths of a GPU"


def _power(problem: Problem, on_node: t.Mapping[str, t.Sequence[tuple[Workload, t.Sequence[int]]]]) -> t.Iterator[str]:
    """Ceilings of feeds and of all nodes."""
    feeds: dict[str, float] = collections.defaultdict(float)
    for node in problem.nodes:
        held = on_node.get(node.name)
        if not held:
            continue
        each = node.gpu_watts
        limits = [dict(work.gpu_limits).get(node.gpu_model) for work, _unused in held if work.gpus]
        known = [limit for limit in limits if limit is not None]
        if known and len(known) == len(limits):
            each = min(each, max(max(known) - node.gpu_idle_watts, 0))
        feeds[node.feed] += node.idle_watts
        for work, _unused in held:
            feeds[node.feed] += work.gpus * work.gpu_share_milli * each / 1000
            feeds[node.feed] += work.cpu_milli * node.core_watts / 1000
    for feed in problem.feeds:
        if feeds[feed.name] > feed.limit_watts + SLACK_WATTS:
            yield f"feed {feed.name}: {feeds[feed.name]:.0f} of {feed.limit_watts:.0f} W"
    limit = problem.policy.limit_watts
    if limit is not None and sum(feeds.values()) > limit + SLACK_WATTS:
        yield f"all nodes: {sum(feeds.values()):.0f} of {limit:.0f} W"


def _reserve(problem: Problem, used: set[str]) -> t.Iterator[str]:
    """N+k: of each kind in each rack enough nodes are free."""
    need = problem.policy.reserve_per_rack
    if not need:
        return
    kinds: dict[tuple[t.Any, ...], list[Node]] = collections.defaultdict(list)
    for node in problem.nodes:
        if node.in_service:
            same = (
                node.rack,
                node.cpu_milli,
                node.memory_mib,
                node.network_mbit,
                node.gpus,
                node.gpu_model,
                node.gpu_memory_mib,
            )
            kinds[same].append(node)
    for nodes in kinds.values():
        free = sum(1 for node in nodes if node.name not in used)
        if free < min(need, len(nodes)):
            yield f"rack {nodes[0].rack or '(unknown)'}: {free} nodes like {nodes[0].name} are free, {need} are wanted"


def unfair(problem: Problem, placements: t.Sequence[tuple[str, str, t.Sequence[int]]]) -> list[str]:
    """Swaps that raise the least share of all projects (GPU by weight); empty where no single one does.

    A plan whose least share is proven has none. Looked at are copies outside gangs that are free to go, and missing
    copies that need no more than they do.
    """
    nodes = {node.name: node for node in problem.nodes}
    works = {work.name: work for work in problem.workloads}
    weight = {project.name: project.weight for project in problem.projects}
    quota = {project.name: project.quota_gpu_milli for project in problem.projects}
    copies = collections.Counter(workload for workload, _node, _gpus in placements)
    has: dict[str, int] = collections.defaultdict(int)
    wants: dict[str, int] = collections.defaultdict(int)
    for work in problem.workloads:
        has[work.project] += _gpu(work) * copies[work.name]
        wants[work.project] += _gpu(work) * work.copies
    share = {name: has[name] / weight.get(name, 1.0) for name in wants if wants[name] and weight.get(name, 1.0) > 0}
    order = sorted(share, key=lambda name: share[name])
    if len(order) < 2 or share[order[0]] == share[order[1]] or has[order[0]] >= wants[order[0]]:
        return []
    poor = order[0]
    found: list[str] = []
    for work in problem.workloads:
        if work.project != poor or work.gang or work.after or not work.gpus or copies[work.name] >= work.copies:
            continue
        most = quota.get(poor)
        if work.most_per_node or work.most_per_rack or (most is not None and has[poor] + _gpu(work) > most):
            continue
        for workload, name, _gpus in placements:
            other, node = works[workload], nodes[name]
            if other.project not in share or other.project == poor or other.gang:
                continue
            if other.running_on and not (other.may_move and other.preemptible):
                continue
            after = (has[other.project] - _gpu(other)) / weight.get(other.project, 1.0)
            if after > share[poor] and _takes_less(work, other, node):
                found.append(f"{work.name} of {poor} could be on {name} instead of {workload} of {other.project}")
                break
    return found


def _gpu(work: Workload) -> int:
    """Thousandths of a GPU of one copy."""
    return work.gpus * work.gpu_share_milli


def _takes_less(work: Workload, other: Workload, node: Node) -> bool:
    """Whether a copy fits where the other one is, whatever else is there."""
    needs = ("cpu_milli", "memory_mib", "network_mbit")
    if any(getattr(work, need) > getattr(other, need) for need in needs):
        return False
    if work.gpus != other.gpus or work.gpu_share_milli > other.gpu_share_milli:
        return False
    if work.latency_class != other.latency_class and work.gpu_share_milli < 1000:
        return False
    if work.gpu_models and node.gpu_model not in work.gpu_models:
        return False
    return work.gpu_memory_mib <= node.gpu_memory_mib * work.gpu_share_milli / 1000
