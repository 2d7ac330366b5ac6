# Slurm as an engine: reads and changes nodes through scontrol and squeue, which every version has.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import getpass
import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines import OWNER_PREFIX, EngineJob, EngineNode
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress, expand
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
_NOT_FOUND = re.compile(r"^Node (\S+) not found$", re.MULTILINE)

# Running, suspended, stopped, completing, configuring, and on the way out of these.
_RUNNING = "R,S,CG,CF,SI,SO"
_JOB_ID = re.compile(r"[0-9]{1,10}(?:_[0-9]{1,10})?")
_ARRAY_ID = re.compile(r"[0-9]{1,10}")
_JOB_GONE = ("Invalid job id specified", "Job/step already completing or completed")
_THROTTLE = re.compile(r" ArrayTaskThrottle=([0-9]+)(?: |$)")

# Each reason is a program of its own, which spends its time waiting for slurmctld.
_AT_ONCE = 8


class SlurmEngine:
    """One Slurm cluster. ``timeout`` bounds each single command, in seconds. With ``dry_run`` nothing is changed."""

    def __init__(self, scontrol: str, squeue: str, timeout: float, dry_run: bool = False) -> None:
        self._dry_run = dry_run
        self._scontrol = scontrol
        self._squeue = squeue
        self._timeout = timeout
        self._notes: list[str] = []

    def nodes(self) -> dict[str, EngineNode]:
        """See Engine.nodes."""
        jobs = parse_jobs(self._run(self._squeue, "--noheader", f"--states={_RUNNING}", "--format=%A|%N"))
        return parse_nodes(self._run(self._scontrol, "--oneliner", "show", "node"), jobs)

    def notes(self) -> list[str]:
        """See Engine.notes."""
        return list(self._notes)

    def jobs(self, names: Sequence[str]) -> list[EngineJob]:
        """See Engine.jobs."""
        if not names:
            return []
        # The job's name is free text of its owner, so it comes last.
        form = "JobID:|,NodeList:|,UserName:|,BatchFlag:|,Requeue:|,Name:"
        return parse_owned_jobs(
            self._run(
                self._squeue,
                "--noheader",
                f"--states={_RUNNING}",
                f"--nodelist={compress(names)}",
                f"--Format={form}",
            )
        )

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        """See Engine.drain. The nodes of one reason are drained by one command, several reasons at the same time.

        The nodes are read right before that; Slurm has no way to do both at once.
        """
        known = self._known(names)
        foreign: dict[str, str] = {}
        by_reason: dict[str, list[str]] = {}
        for name, node in known.items():
            if _is_foreign(node):
                foreign[name] = node.reason
            elif not (set(node.states) & _DRAIN_STATES and _token(node.reason) == _token(reasons[name])):
                by_reason.setdefault(reasons[name], []).append(name)
        self._update("DRAIN", by_reason)
        if foreign:
            shown = ", ".join(f"{name} ({reason!r:.100})" for name, reason in sorted(foreign.items()))
            raise ForeignDrainError(f"Taken out of scheduling by somebody else, so left alone: {shown}.", foreign)
        return bool(by_reason)

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
        self._change("update", f"NodeName={name}", "State=RESUME")
        return True

    def evict(self, name: str, owner_token: str, force: bool = True) -> bool:
        """See Engine.evict: a node that goes down loses its jobs, and those that may be are queued again.

        Slurm moves no running job, so without ``force`` all of them are awaited.
        """
        self._notes = []
        node = self.nodes().get(name)
        if node is None:
            raise _unknown([name])
        if _token(node.reason) != owner_token:
            raise ForeignDrainError(
                f"{name} is not out for {owner_token}; its jobs are left alone.", {name: node.reason}
            )
        if node.drained:
            return False
        if not force:
            self._notes = [f"{name}: {len(node.jobs)} jobs run until they end by themselves."]
            return False
        self._update("DOWN", {node.reason: [name]})
        return True

    def requeue(self, job_id: str) -> bool:
        """See Engine.requeue."""
        if not _JOB_ID.fullmatch(job_id):
            raise EngineError(f"{job_id!r:.80} is not the id of a Slurm job.")
        try:
            self._change("requeue", job_id)
        except EngineError as error:
            if any(gone in str(error) for gone in _JOB_GONE):
                return False
            raise
        return True

    def reserve(self, names: Sequence[str], owner_token: str, seconds: float) -> bool:
        """See Engine.reserve: a maintenance reservation for the user that this runs as, named after the owner."""
        reservation = _reservation(owner_token)
        nodes = compress(names)
        minutes = max(1, math.ceil(seconds / 60))
        present = self._reservations().get(reservation)
        if present is not None and set(present) == set(names):
            return False
        # A reservation must not take a node that is somebody else's, nor may the answer depend on a typing error.
        for name, node in self._known(names).items():
            if _is_foreign(node):
                raise ForeignDrainError(
                    f"{name} was taken out by somebody else; it is not reserved.", {name: node.reason}
                )
        if present is not None:
            self._change("update", f"ReservationName={reservation}", f"Nodes={nodes}")
            return True
        self._change(
            "create",
            "reservation",
            f"ReservationName={reservation}",
            "StartTime=now",
            f"Duration={minutes}",
            f"Users={getpass.getuser()}",
            f"Nodes={nodes}",
            "Flags=MAINT,IGNORE_JOBS",
        )
        return True

    def unreserve(self, owner_token: str) -> bool:
        """See Engine.unreserve."""
        reservation = _reservation(owner_token)
        if reservation not in self._reservations():
            return False
        self._change("delete", f"ReservationName={reservation}")
        return True

    def scale_out(self, workload: str, by: int, limit: int) -> int:
        """See Engine.scale_out: the replicas of a job array are those of its tasks that may run at the same time."""
        if not _ARRAY_ID.fullmatch(workload):
            raise EngineError(
                f"{workload!r:.80} is not the id of a job array; only arrays with a limit of running tasks can grow."
            )
        if by < 1:
            raise EngineError(f"A workload grows by at least 1, not by {by}.")
        now = _throttle(self.show("job", workload), workload)
        wanted = max(now, min(now + by, limit))
        if wanted > now:
            self.update(f"JobId={workload}", f"ArrayTaskThrottle={wanted}")
        return wanted

    def show(self, kind: str, name: str) -> str:
        """What scontrol says about a job or partition, one line for each record. EngineError if there is none."""
        return self._run(self._scontrol, "--oneliner", "show", kind, name)

    def update(self, *words: str) -> None:
        """Change a job or partition; the first word says which."""
        self._change("update", *words)

    def _known(self, names: Sequence[str]) -> dict[str, EngineNode]:
        """The named nodes without their jobs; EngineError if there is one that Slurm does not know."""
        if not names:
            return {}
        answer = self._ask(self._scontrol, "--oneliner", "show", "node", compress(names))
        missing = _NOT_FOUND.findall(answer.stdout) + _NOT_FOUND.findall(answer.stderr)
        if missing:
            raise _unknown(missing)
        nodes = parse_nodes(self._good(answer, f"{self._scontrol} show node"), {})
        missing = sorted(set(names) - set(nodes))
        if missing:
            raise _unknown(missing)
        return {name: nodes[name] for name in dict.fromkeys(names)}

    def _reservations(self) -> dict[str, list[str]]:
        return parse_reservations(self._run(self._scontrol, "--oneliner", "show", "reservation"))

    def _update(self, state: str, by_reason: Mapping[str, Sequence[str]]) -> None:
        """Every group is tried before the failures of some are raised."""
        for reason in by_reason:
            if not _SAFE_REASON.fullmatch(reason):
                raise EngineError(f"{reason!r:.200} cannot be a reason: letters, digits and _ . : , - and spaces only.")
        changes = [
            (f"NodeName={compress(names)}", f"State={state}", f"Reason={reason}") for reason, names in by_reason.items()
        ]
        if len(changes) == 1:
            self._change("update", *changes[0])
            return
        failures = []
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            for future in [pool.submit(self._change, "update", *change) for change in changes]:
                try:
                    future.result()
                except EngineError as error:
                    failures.append(str(error))
        if failures:
            raise EngineError(" ".join(failures))

    def _change(self, *what: str) -> None:
        if not self._dry_run:
            self._run(self._scontrol, *what)

    def _run(self, *argv: str) -> str:
        return self._good(self._ask(*argv), " ".join(argv))

    def _ask(self, *argv: str) -> _runner.Result:
        try:
            return _runner.run(argv, self._timeout)
        except CommandError as error:
            raise EngineError(f"Slurm cannot be asked: {error}") from error

    def _good(self, answer: _runner.Result, command: str) -> str:
        if answer.rc != 0:
            said = (answer.stderr.strip() or answer.stdout.strip())[:500]
            raise EngineError(f"Slurm refused '{command:.500}': {said or 'no reason given'}")
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


def parse_owned_jobs(text: str) -> list[EngineJob]:
    """``squeue --Format=JobID:|,NodeList:|,UserName:|,BatchFlag:|,Requeue:|,Name:`` as jobs."""
    jobs = []
    for line in text.splitlines():
        if not line.strip():
            continue
        words = line.split("|", 5)
        if len(words) < 6 or not _JOB_ID.fullmatch(words[0].strip()):
            raise EngineError(f"squeue gave a line that is no job: {line[:200]!r}")
        number, nodes, owner, batch, requeue, name = (word.strip() for word in words)
        jobs.append(EngineJob(number, name, owner, tuple(expand(nodes)), batch == requeue == "1"))
    return jobs


def parse_reservations(text: str) -> dict[str, list[str]]:
    """``scontrol --oneliner show reservation`` as node names by reservation."""
    found = {}
    for line in text.splitlines():
        words = dict(word.partition("=")[::2] for word in line.split(" "))
        if "ReservationName" in words:
            nodes = words.get("Nodes", "")
            found[words["ReservationName"]] = [] if nodes in ("", "(null)") else expand(nodes)
        elif line.strip() and line.strip() != "No reservations in the system":
            raise EngineError(f"scontrol gave a line that is no reservation: {line[:200]!r}")
    return found


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


def _unknown(names: Sequence[str]) -> EngineError:
    shown = ", ".join(sorted(names))
    return EngineError(f"Slurm does not know {shown:.500}. Is the node in slurm.conf, under this name?")


def _reservation(token: str) -> str:
    """The name of an owner's reservation; Slurm allows no colon in it."""
    number = token[len(OWNER_PREFIX) :]
    if not token.startswith(OWNER_PREFIX) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", number):
        raise EngineError(f"{token!r:.80} is not an owner's mark.")
    return f"aidc_ops_{number}"


def _throttle(text: str, workload: str) -> int:
    found = _THROTTLE.search(text.partition("\n")[0])
    if found is None:
        raise EngineError(f"Job {workload} is no job array with a limit of running tasks (sbatch --array=0-9%2).")
    return int(found.group(1))
