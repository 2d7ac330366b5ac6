# Slurm as an engine: reads and changes nodes through scontrol and squeue, which every version has.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import expand
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, EngineError, ForeignDrainError

# A node with any of these starts no job. A star after the state says that the node does not respond.
_OUT_STATES = frozenset(
    {
        "down",
        "drain",
        "drained",
        "draining",
        "error",
        "fail",
        "failing",
        "future",
        "inval",
        "invalid_reg",
        "not_responding",
        "power_down",
        "powered_down",
        "powering_down",
        "reboot_issued",
        "unknown",
    }
)
_DRAIN_STATES = frozenset({"drain", "drained", "draining", "fail", "failing"})
_ENDED_BY_RESUME = _DRAIN_STATES | {"down", "error", "inval", "invalid_reg"}
_BUSY_STATES = frozenset({"allocated", "mixed", "completing"})
_FLAG_WORDS = {"*": "not_responding", "~": "powered_down", "%": "powering_down", "@": "reboot_issued"}
# What slurmctld itself writes as reason when it takes a node down, or drains it for missing devices; nobody owns that.
_OWN_DOWN = ("Not responding", "Node unexpectedly rebooted")
_OWN_DRAIN = re.compile(r"gres/\S+ count (reported lower than configured|too low)")

_NAME = re.compile(r"^NodeName=(\S+)")
_STATE = re.compile(r" State=(\S+)")
_REASON = re.compile(r" Reason=(?P<text>.*?)(?: \[[^\]@\s]+@[^\]\s]+\].*)?$", re.DOTALL)
_SAFE_REASON = re.compile(r"[A-Za-z0-9_.:, -]{1,200}")


class SlurmEngine:
    """One Slurm cluster. ``timeout`` bounds each single command, in seconds. With ``dry_run`` nothing is changed."""

    def __init__(self, scontrol: str, squeue: str, timeout: float, dry_run: bool = False) -> None:
        self._dry_run = dry_run
        self._scontrol = scontrol
        self._squeue = squeue
        self._timeout = timeout

    def nodes(self) -> dict[str, EngineNode]:
        """See Engine.nodes."""
        jobs = parse_jobs(self._run(self._squeue, "--noheader", "--states=R,S,CG,CF,SI,SO", "--format=%A|%N"))
        return parse_nodes(self._run(self._scontrol, "--oneliner", "show", "node"), jobs)

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        """See Engine.drain. The reason is read once more right before it is written; Slurm has no way to do both."""
        known = self._known(names)
        foreign = {}
        changed = False
        for name in names:
            node = known[name]
            if _is_foreign(node):
                foreign[name] = node.reason
            elif not (set(node.states) & _DRAIN_STATES and _token(node.reason) == _token(reasons[name])):
                self._update(name, "DRAIN", reasons[name])
                changed = True
        if foreign:
            shown = ", ".join(f"{name} ({reason!r:.100})" for name, reason in sorted(foreign.items()))
            raise ForeignDrainError(f"Taken out of scheduling by somebody else, so left alone: {shown}.", foreign)
        return changed

    def resume(self, name: str, owner_token: str) -> bool:
        """See Engine.resume."""
        node = self._known([name])[name]
        if not set(node.states) & _ENDED_BY_RESUME:
            # In service, or coming back: a node that was down shows "not responding" until it has registered again.
            return False
        if _token(node.reason) != owner_token:
            raise ForeignDrainError(
                f"{name} is out of scheduling, but not for {owner_token}: {node.reason!r:.200}. It is left as it is.",
                {name: node.reason},
            )
        self._change(name, "State=RESUME")
        return True

    def evict(self, name: str, owner_token: str) -> bool:
        """See Engine.evict: a node that goes down loses its jobs, and those that may be are queued again."""
        node = self._known([name])[name]
        if _token(node.reason) != owner_token:
            raise ForeignDrainError(
                f"{name} is not out for {owner_token}; its jobs are left alone.", {name: node.reason}
            )
        if node.drained:
            return False
        self._update(name, "DOWN", node.reason)
        return True

    def _known(self, names: Sequence[str]) -> dict[str, EngineNode]:
        nodes = self.nodes()
        unknown = sorted(set(names) - set(nodes))
        if unknown:
            raise EngineError(f"Slurm does not know {', '.join(unknown)}. Is the node in slurm.conf, under this name?")
        return nodes

    def _update(self, name: str, state: str, reason: str) -> None:
        if not _SAFE_REASON.fullmatch(reason):
            raise EngineError(f"{reason!r:.200} cannot be a reason: letters, digits and _ . : , - and spaces only.")
        self._change(name, f"State={state}", f"Reason={reason}")

    def _change(self, name: str, *what: str) -> None:
        if not self._dry_run:
            self._run(self._scontrol, "update", f"NodeName={name}", *what)

    def _run(self, *argv: str) -> str:
        try:
            answer = _runner.run(argv, self._timeout)
        except CommandError as error:
            raise EngineError(f"Slurm cannot be asked: {error}") from error
        if answer.rc != 0:
            said = (answer.stderr.strip() or answer.stdout.strip())[:500]
            raise EngineError(f"Slurm refused '{' '.join(argv)}': {said or 'no reason given'}")
        return answer.stdout


def parse_nodes(text: str, jobs: Mapping[str, Sequence[int]]) -> dict[str, EngineNode]:
    """``scontrol --oneliner show node`` as nodes. EngineError for text that is something else: no node may vanish."""
    nodes = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        # The reason is free text of other people and stands behind everything that is read here.
        head = line.partition(" Reason=")[0]
        name, state = _NAME.match(head), _STATE.search(head)
        if name is None or state is None:
            raise EngineError(f"scontrol gave a line that is no node: {line[:200]!r}")
        reason = _REASON.search(line)
        nodes[name.group(1)] = engine_node(
            name.group(1), state.group(1), reason.group("text") if reason else "", tuple(jobs.get(name.group(1), ()))
        )
    return nodes


def parse_jobs(text: str) -> dict[str, list[int]]:
    """``squeue --format=%A|%N`` as job ids by node."""
    jobs: dict[str, list[int]] = {}
    for line in text.splitlines():
        number, _bar, names = line.strip().partition("|")
        if not names:
            continue
        if not number.isdigit():
            raise EngineError(f"squeue gave a line that is no job: {line[:200]!r}")
        for name in expand(names):
            jobs.setdefault(name, []).append(int(number))
    return jobs


def engine_node(name: str, state: str, reason: str, jobs: tuple[int, ...] = ()) -> EngineNode:
    """The node of a state as Slurm writes it, such as C(IDLE+DRAIN) or C(DOWN*)."""
    words = []
    for word in state.split("+"):
        plain = word.rstrip("*~#!%$@^-")
        words.append(plain.lower())
        words.extend(_FLAG_WORDS[mark] for mark in word[len(plain) :] if mark in _FLAG_WORDS)
    states = set(words)
    out = bool(states & _OUT_STATES)
    drain = bool(states & _DRAIN_STATES)
    return EngineNode(
        name=name,
        states=tuple(words),
        reason=reason,
        out=out,
        drained=out and not jobs and not states & _BUSY_STATES,
        automatic=out and (_OWN_DRAIN.match(reason) is not None or (not drain and _own_down(reason))),
        jobs=jobs,
    )


def _own_down(reason: str) -> bool:
    return reason == "" or reason.startswith(_OWN_DOWN)


def _is_foreign(node: EngineNode) -> bool:
    return node.out and not node.automatic and not node.reason.startswith(OWNER_PREFIX)


def _token(reason: str) -> str:
    """The owner mark at the start of a reason of ours; "" for any other reason."""
    return reason.partition(" ")[0] if reason.startswith(OWNER_PREFIX) else ""
