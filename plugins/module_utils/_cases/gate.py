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
        "inhibited",
        "opt_out",
        "flapping",
    }
)
# Reasons that wait for a person (approve or cancel), end the case (mode_observe) or lead to the next rung (attempts).
LASTING = frozenset(
    {"attempts", "stale", "mode_observe", "mode_approve", "not_contained", "unvalidated", "unknown_class"}
)
REASONS = TRANSIENT | LASTING

# Actions that take nothing out of service and touch no node that is broken: limits on removals do not concern them.
_ADDING = ("scale_out", "failover", "swap_spare")


@dataclass(frozen=True)
class Request:
    """One case asks to do one action (see policy.ACTIONS) on its node.

    ``evidence_at`` is the newest time at which the fault was known to be there, None where freshness does not matter
    any more (the case has taken its node out). ``approved``: a person said yes to this very step. ``attempts`` counts
    the same action in the last 24 h, the highest over the devices it would act on. ``granted_before``: the step was
    granted and begun already and only has to be brought to its end. ``removes_node`` False: the node stays in service
    during this case, so that the action must not expect it out. ``opt_out``, ``inhibited``: why a person wants it left
    alone, and which larger case covers it; None else. ``blind``: the monitoring of this very node is broken.
    ``validated``: the case has a passed validation after its last repair.
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
    fault_class: str = ""
    opt_out: str | None = None
    inhibited: str | None = None
    blind: bool = False
    validated: bool = True


@dataclass(frozen=True)
class World:
    """Everything that a decision depends on.

    ``engine`` None: the scheduler could not be read. ``taken`` are nodes whose removal was granted although the
    scheduler may not show it yet. ``repairs_running`` counts repairs under way. ``paused``, ``breaker`` and ``storm``
    (a breaker that tripped because faults came from too many nodes at once) are the texts why, or None. ``blind``: the
    monitoring's heartbeat is missing. ``flapping``: fault classes whose repairs do not last, with the cases that are
    under repair for each.
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
    flapping: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """``reason_code`` is "" when allowed, else one of REASONS; ``text`` says it to a person."""

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
        self.flapping = dict(world.flapping)

    def decide(self, request: Request) -> Verdict:
        if request.granted_before:
            return self._resumed(request)
        limit = self._limits(request)
        if limit.allowed:
            # A decision in observe mode counts too, else observing would promise more than acting will do.
            self._count(request)
        mode = self.policy.mode(request.action, request.fault_class)
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
        if request.opt_out:
            return _refuse("opt_out", request.opt_out)
        # The scheduler itself compares owners when a node is drained or given back.
        bare = request.action in ("contain", "resume", *_ADDING)
        return (None if bare else self._ownership(request)) or _allow("Begun before; to be brought to its end.")

    def _count(self, request: Request) -> None:
        if request.action == "contain":
            self.out.add(request.node)
        elif request.action not in ("resume", *_ADDING):
            self.repairs += 1
            if request.fault_class in self.flapping:
                self.flapping[request.fault_class] |= {request.case_id}

    def _limits(self, request: Request) -> Verdict:
        if self.world.paused:
            return _refuse("paused", self.world.paused)
        if request.opt_out:
            return _refuse("opt_out", request.opt_out)
        if request.action in _ADDING:
            return _allow(f"{request.action} takes nothing out of service.")
        if request.node not in self.world.settings_nodes:
            return _refuse("unknown_node", f"{request.node} is not a node of the settings file.")
        if request.action == "resume":
            return self._resume(request)
        for check in (self._ownership, self._inhibition, self._stops, self._freshness, self._capacity):
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
        if request.blind:
            return _refuse("blind", f"The monitoring of {request.node} is broken; no data is not health.")
        if not request.validated:
            return _refuse("unvalidated", f"{request.node} has passed no validation since its last repair.")
        return _allow(f"{request.node} may return.")

    def _node(self, request: Request) -> tuple[NodeView | None, Verdict]:
        if self.world.engine is None:
            return None, _refuse("blind", "The scheduler could not be read.")
        node = self.world.engine.get(request.node)
        return node, _refuse("unknown_node", f"The scheduler does not know {request.node}.")

    def _ownership(self, request: Request) -> Verdict | None:
        """Whose node it is: never against another owner, and no repair on a node that is in service."""
        if not request.removes_node:
            seen = (self.world.engine or {}).get(request.node)
            if seen is not None and foreign_owner(seen):
                return _refuse("foreign_drain", f"{request.node} was taken out by somebody else: {seen.reason!r:.200}.")
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

    def _inhibition(self, request: Request) -> Verdict | None:
        return _refuse("inhibited", request.inhibited) if request.inhibited else None

    def _stops(self, request: Request) -> Verdict | None:
        if self.world.breaker:
            return _refuse("breaker", self.world.breaker)
        if self.world.storm:
            return _refuse("storm", self.world.storm)
        return None

    def _freshness(self, request: Request) -> Verdict | None:
        if request.evidence_at is None or request.approved:
            return None
        node = (self.world.engine or {}).get(request.node)
        if node is not None and owned_by(node, request.token):
            # The run that took it out died before it could say so.
            return None
        age = self.world.now - request.evidence_at
        if age == float("inf"):
            return _refuse("stale", "Nothing shows that the fault still holds; a person has to say that it does.")
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
            "power_cycle": self.policy.power_cycles_per_node_per_day,
        }.get(request.action)
        if limit is not None and request.attempts >= limit:
            return _refuse("attempts", f"{request.attempts} of {limit} {request.action}s in 24 hours are used up.")
        if self.repairs >= self.policy.parallel_repairs:
            return _refuse("parallel", f"{self.repairs} repairs are running, {self.policy.parallel_repairs} may.")
        if self.flapping.get(request.fault_class, frozenset()) - {request.case_id}:
            return _refuse("flapping", f"Repairs of {request.fault_class} do not last; one node at a time is repaired.")
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
