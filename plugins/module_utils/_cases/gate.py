# The gate: decides a whole batch of actions at once, purely, from what is known; says why it refuses.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import OWNER_PREFIX, NodeView
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import GatePolicy, NodeSettings

# Reasons that can go away by themselves, so that the case is looked at again on a tick.
TRANSIENT = frozenset(
    {
        "paused",
        "breaker",
        "storm",
        "budget_percent",
        "budget_count",
        "rack",
        "leaf",
        "job",
        "parallel",
        "blind",
        "foreign_drain",
        "unknown_node",
    }
)
# Reasons that wait for a person (approve or cancel), end the case (mode_observe) or lead to a ticket (attempts).
LASTING = frozenset({"attempts", "stale", "mode_observe", "mode_approve", "not_contained"})
REASONS = TRANSIENT | LASTING


@dataclass(frozen=True)
class Request:
    """One case asks to do one action ("contain", "reset", "reboot", "restart_service", "resume") on its node.

    ``evidence_at`` is the newest time at which the fault was seen, None where freshness does not matter any more
    (the case has acted before). ``approved``: a person said yes to this very step. ``attempts`` counts the same
    action in the last 24 h, the highest over the devices it would act on. ``granted_before``: the step was granted
    and begun already and only has to be brought to its end. ``removes_node`` False: the node stays in service during
    this case, so that the action must not expect it out.
    """

    case_id: int
    node: str
    action: str
    token: str
    authority: str = "automatic"
    evidence_at: float | None = None
    approved: bool = False
    attempts: int = 0
    granted_before: bool = False
    removes_node: bool = True


@dataclass(frozen=True)
class World:
    """Everything that a decision depends on.

    ``engine`` None: the scheduler could not be read. ``taken`` are nodes whose removal was granted although the
    scheduler may not show it yet. ``repairs_running`` counts reset, reboot and service restarts under way.
    ``paused``, ``breaker`` and ``storm`` (a breaker that tripped because faults came from too many nodes at once) are
    the texts why, or None. ``blind``: the monitoring's heartbeat is missing.
    """

    now: float
    settings_nodes: Mapping[str, NodeSettings]
    engine: Mapping[str, NodeView] | None
    taken: frozenset[str] = field(default_factory=frozenset)
    repairs_running: int = 0
    paused: str | None = None
    breaker: str | None = None
    storm: str | None = None
    blind: bool = False


@dataclass(frozen=True)
class Verdict:
    """``reason_code`` is "" when allowed, else one of REASONS. ``text`` is a sentence for people, either way."""

    allowed: bool
    reason_code: str
    text: str


def decide(requests: Sequence[Request], world: World, policy: GatePolicy) -> list[Verdict]:
    """One verdict for each request, in order. What an earlier request was granted counts against the later ones."""
    batch = _Batch(world, policy)
    return [batch.decide(request) for request in requests]


def foreign_owner(node: NodeView) -> bool:
    """Whether somebody else took the node out of scheduling (not we, and not the scheduler by itself)."""
    return node.out and not node.automatic and not node.reason.startswith(OWNER_PREFIX)


def owned_by(node: NodeView, token: str) -> bool:
    """Whether the node is out for exactly this owner ("aidc.ops:1" does not own "aidc.ops:12 ...")."""
    return node.out and (node.reason == token or node.reason.startswith(token + " "))


class _Batch:
    """The state of one decision round: what is out, and what was granted since the round began."""

    def __init__(self, world: World, policy: GatePolicy) -> None:
        self.world = world
        self.policy = policy
        shown = {name for name, node in (world.engine or {}).items() if node.out}
        self.out = shown | set(world.taken)
        self.repairs = world.repairs_running

    def decide(self, request: Request) -> Verdict:
        if request.granted_before:
            return self._resumed(request)
        limit = self._limits(request)
        if limit.allowed:
            # A decision in observe mode counts too, else observing would promise more than acting will do.
            self._count(request)
        mode = self.policy.modes.of(request.action)
        if mode == "observe" or request.authority == "never":
            would = "it would have been done" if limit.allowed else f"it would have been refused: {limit.text}"
            return _refuse("mode_observe", f"{request.action} on {request.node} is only observed; {would}.")
        if (mode == "approve" or request.authority == "approval") and not request.approved:
            return _refuse("mode_approve", f"{request.action} on {request.node} waits for a person's approval.")
        return limit

    def _resumed(self, request: Request) -> Verdict:
        """A step under way is counted already; but it may turn out that it has yet to act, so the node must be ours."""
        if self.world.paused:
            return _refuse("paused", self.world.paused)
        # The scheduler itself compares owners when a node is drained or given back.
        refusal = self._ownership(request) if request.action not in ("contain", "resume") else None
        return refusal or _allow("Begun before; to be brought to its end.")

    def _count(self, request: Request) -> None:
        if request.action == "contain":
            self.out.add(request.node)
        elif request.action != "resume":
            self.repairs += 1

    def _limits(self, request: Request) -> Verdict:
        if self.world.paused:
            return _refuse("paused", self.world.paused)
        if request.node not in self.world.settings_nodes:
            return _refuse("unknown_node", f"{request.node} is not a node of the settings file.")
        if request.action == "resume":
            return self._resume(request)
        for check in (self._ownership, self._stops, self._freshness, self._capacity):
            refusal = check(request)
            if refusal is not None:
                return refusal
        return _allow(f"{request.action} on {request.node} is within all limits.")

    def _resume(self, request: Request) -> Verdict:
        node, refusal = self._node(request)
        if node is None:
            return refusal
        if not node.out or (node.automatic and not node.reason):
            return _allow(f"{request.node} is in service already, or coming back by itself.")
        if not owned_by(node, request.token):
            return _refuse("foreign_drain", f"{request.node} is out for another reason: {node.reason!r:.200}.")
        if self.world.blind:
            return _refuse("blind", "The monitoring's heartbeat is missing; no data is not health.")
        return _allow(f"{request.node} may return.")

    def _node(self, request: Request) -> tuple[NodeView | None, Verdict]:
        if self.world.engine is None:
            return None, _refuse("blind", "The scheduler could not be read.")
        node = self.world.engine.get(request.node)
        return node, _refuse("unknown_node", f"The scheduler does not know {request.node}.")

    def _ownership(self, request: Request) -> Verdict | None:
        """Whose node it is: never against another owner, and no repair on a node that is in service."""
        if not request.removes_node:
            return None
        node, refusal = self._node(request)
        if node is None:
            return refusal
        if foreign_owner(node):
            return _refuse("foreign_drain", f"{request.node} was taken out by somebody else: {node.reason!r:.200}.")
        if request.action == "contain":
            return None
        if not owned_by(node, request.token):
            return _refuse("not_contained", f"{request.node} is not out of service for this case any more.")
        if node.jobs:
            return _refuse("job", f"{len(node.jobs)} jobs still run on {request.node}.")
        return None

    def _stops(self, request: Request) -> Verdict | None:
        if self.world.breaker:
            return _refuse("breaker", self.world.breaker)
        if self.world.storm:
            return _refuse("storm", self.world.storm)
        return None

    def _freshness(self, request: Request) -> Verdict | None:
        if request.evidence_at is None or request.approved:
            return None
        age = self.world.now - request.evidence_at
        if age > self.policy.event_max_age_seconds:
            return _refuse("stale", f"The newest evidence is {age:.0f} s old; a person has to say that it still holds.")
        return None

    def _capacity(self, request: Request) -> Verdict | None:
        if request.action == "contain":
            # A node that is out already takes no capacity with it.
            return None if request.node in self.out else self._removal(request.node)
        limit = {
            "reset": self.policy.resets_per_gpu_per_day,
            "reboot": self.policy.reboots_per_node_per_day,
        }.get(request.action)
        if limit is not None and request.attempts >= limit:
            return _refuse("attempts", f"{request.attempts} of {limit} {request.action}s in 24 hours are used up.")
        if self.repairs >= self.policy.parallel_repairs:
            return _refuse("parallel", f"{self.repairs} repairs are running, {self.policy.parallel_repairs} may.")
        return None

    def _removal(self, name: str) -> Verdict | None:
        nodes, policy = self.world.settings_nodes, self.policy
        own = nodes[name]
        others = [other for other in self.out if other in nodes]
        pool = sum(1 for node in nodes.values() if node.pool == own.pool)
        allowed = max(1, int(pool * policy.out_percent / 100))
        out_of_pool = sum(1 for other in others if nodes[other].pool == own.pool)
        if out_of_pool >= allowed:
            return _refuse("budget_percent", f"{out_of_pool} of {pool} nodes in {own.pool} are out, {allowed} may.")
        if len(others) >= policy.out_max:
            return _refuse("budget_count", f"{len(others)} nodes are out, {policy.out_max} may.")
        # An unknown rack or leaf is one domain shared by all unknown ones: the cautious reading.
        in_rack = sum(1 for other in others if nodes[other].rack == own.rack)
        if in_rack >= policy.per_rack:
            return _refuse("rack", f"{in_rack} nodes of rack {own.rack or 'unknown'} are out, {policy.per_rack} may.")
        if policy.per_leaf is not None:
            on_leaf = sum(1 for other in others if nodes[other].leaf == own.leaf)
            if on_leaf >= policy.per_leaf:
                return _refuse("leaf", f"{on_leaf} nodes of leaf {own.leaf or 'unknown'} are out.")
        return self._jobs(name)

    def _jobs(self, name: str) -> Verdict | None:
        engine = self.world.engine or {}
        for job in engine[name].jobs:
            losing = sum(1 for other in self.out if other in engine and job in engine[other].jobs)
            if losing >= self.policy.per_job:
                return _refuse("job", f"Job {job} has lost {losing} nodes already, {self.policy.per_job} may be out.")
        return None


def _allow(text: str) -> Verdict:
    return Verdict(True, "", text)


def _refuse(code: str, text: str) -> Verdict:
    return Verdict(False, code, text)
