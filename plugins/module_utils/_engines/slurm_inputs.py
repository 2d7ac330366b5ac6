# What steers Slurm's scheduler, read and set: reservations, partitions, nodes, jobs, limits and shares, power.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about Slurm are from the manual pages of 22.05, scontrol(1), sacctmgr(1), squeue(1) and slurm.conf(5), and from
its source where they say nothing: src/slurmctld/reservation.c, job_mgr.c and power_save.c.

Only texts are read that users of the cluster cannot write: no names, comments or paths of jobs.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils import _runner
from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress, expand
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import engine_node
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import gpus
from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError, EngineError

PREFIX = "aidc_plan_"
"""What the name of every reservation and every feature of a node begins with that a plan of ours made."""

LONGEST_NICE = 2_147_483_645
"""Slurm takes no larger value."""

RESERVATION_FLAGS = ("MAGNETIC", "FLEX", "IGNORE_JOBS", "NO_HOLD_JOBS_AFTER")
"""MAGNETIC: jobs of the account need not name it. FLEX: they may also use other nodes, and outlive it. IGNORE_JOBS:
what runs there stays. NO_HOLD_JOBS_AFTER: who named it is not held when it ends."""

# What Slurm makes of a reservation without end, too. Each change begins the year anew.
_END = "EndTime=now+365days"

_OFF = frozenset({"powered_down", "powering_down", "power_down"})
_COMING = frozenset({"power_up", "powering_up"})
# What takes a node out, whether it is powered or not.
_BROKEN = frozenset(
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
        "reboot_issued",
        "unknown",
    }
)
_BUSY = frozenset({"allocated", "mixed", "completing"})
_FIELDS = (
    "JobID",
    "JobArrayID",
    "State",
    "Reason",
    "PriorityLong",
    "Nice",
    "Account",
    "RestartCnt",
    "Requeue",
    "BatchFlag",
    "NodeList",
    "admin_comment",
)
_STATES = "PD,R,S,CG,CF,SI,SO"
_JOB_LINE = re.compile(r"[0-9]{1,10}\|")
_JOB_ID = re.compile(r"[0-9]{1,10}")
_WHOLE = re.compile(r"-?[0-9]{1,10}")
# Partitions and QOS are held to it, too.
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_RESERVATION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_FEATURE = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_.-]{1,100}")
_NODE = re.compile(r"NodeName=(?P<name>\S+) ")
_STATE = re.compile(r" State=(?P<state>\S+)")
_GRES = re.compile(r" Gres=(?P<gres>\S+)")
_AVAILABLE = re.compile(r" AvailableFeatures=(?P<names>\S+)")
_ACTIVE = re.compile(r" ActiveFeatures=(?P<names>\S+)")
_WEIGHT = re.compile(r" Weight=(?P<weight>[0-9]+)")
_REASON = re.compile(r" Reason=(?P<text>.*?)(?: \[[^\]@\s]+@[^\]\s]+\].*)?$")
_PARTITION = re.compile(r"PartitionName=(?P<name>\S+) .* Nodes=(?P<nodes>\S+)")
_SETTING = re.compile(r"(?P<key>[A-Za-z0-9_]+)\s*=\s?(?P<value>.*)")
_GONE = ("Invalid job id specified", "already completing or completed", "Job has already finished")
_UNKNOWN_FIELD = "Invalid job format specification"
_NO_RESERVATION = "reservation is invalid"
_NO_ACCOUNTS = "Slurm keeps no accounts here (AccountingStorageType is not accounting_storage/slurmdbd)"
_GPU_LIMIT = re.compile(r"(?:^|,)gres/gpu=(?P<count>[0-9]+)(?:,|$)")


@dataclass(frozen=True)
class NodeInputs:
    """A node. ``serviceable``: it takes jobs, if need be after power-up. ``gpus`` is model -> count.

    ``features`` may be asked for if they are among the ``active`` ones, too.
    """

    name: str
    states: tuple[str, ...]
    reason: str
    gpus: dict[str, int]
    weight: int
    serviceable: bool
    powered_off: bool
    busy: bool
    features: tuple[str, ...]
    active: tuple[str, ...]


@dataclass(frozen=True)
class ReservationInputs:
    """A reservation; ``active`` is false before its start and after its end."""

    name: str
    nodes: tuple[str, ...]
    accounts: tuple[str, ...]
    flags: tuple[str, ...]
    active: bool


@dataclass(frozen=True)
class JobInputs:
    """A job that waits or runs. ``comment`` is the text that only administrators of Slurm can write."""

    id: str
    array_id: str
    state: str
    reason: str
    held: bool
    priority: int
    nice: int
    account: str
    restarts: int
    can_requeue: bool
    nodes: tuple[str, ...]
    comment: str

    @property
    def pending(self) -> bool:
        """Whether it waits."""
        return self.state == "PENDING"

    @property
    def running(self) -> bool:
        """Whether it runs; one that ends at this moment does not."""
        return self.state in ("RUNNING", "SUSPENDED", "CONFIGURING")


@dataclass(frozen=True)
class SlurmNow:
    """What the scheduler goes by at this moment.

    ``limits`` are the GPU limits of accounts (None: no limit), ``shares`` their fair shares (None: that of the account
    above), ``qos`` the GPU limits of QOS; of those alone that Slurm knows. ``partitions``: partition -> its nodes,
    where they were asked for. ``no_limits``, ``no_shares``, ``no_power`` and ``no_features`` say why limits, shares,
    switching nodes off, or features of nodes cannot work here; "" where they can.
    """

    nodes: dict[str, NodeInputs]
    reservations: dict[str, ReservationInputs]
    jobs: dict[str, JobInputs]
    limits: dict[str, int | None]
    shares: dict[str, int | None]
    qos: dict[str, int | None]
    partitions: dict[str, tuple[str, ...]]
    no_limits: str
    no_shares: str
    no_power: str
    no_features: str


class SlurmInputs:
    """One Slurm. ``timeout`` bounds each single command, in seconds. Every method raises EngineError."""

    def __init__(self, scontrol: str, squeue: str, timeout: float) -> None:
        self._scontrol = scontrol
        self._squeue = squeue
        self._sacctmgr = os.path.join(os.path.dirname(scontrol), "sacctmgr")
        self._timeout = timeout

    def now(self, accounts: Sequence[str], qos: Iterable[str] = (), partitions: bool = False) -> SlurmNow:
        """All that is needed; ``accounts`` are those whose limits and shares matter, ``qos`` those whose limits do."""
        settings = self._settings()
        no_limits, no_shares = why_no_limits(settings), why_no_shares(settings)
        limits: dict[str, int | None] = {}
        shares: dict[str, int | None] = {}
        wanted = sorted({name for name in accounts if is_account(name)})
        if wanted and not (no_limits and no_shares):
            where = (f"cluster={settings['ClusterName']}", f"account={','.join(wanted)}", "user=")
            argv = ("--noheader", "--parsable2", "show", "association", *where, "format=Account,Fairshare,GrpTRES")
            limits, shares = parse_accounts(self._run(self._sacctmgr, *argv))
        # Jobs before nodes: a node that is idle then holds none of them.
        form = ",".join(f"{name}:|" for name in _FIELDS[:-1]) + f",{_FIELDS[-1]}:"
        jobs = parse_jobs(self._run(self._squeue, "--all", "--noheader", f"--states={_STATES}", f"--Format={form}"))
        return SlurmNow(
            nodes=parse_nodes(self._run(self._scontrol, "--all", "--oneliner", "show", "node")),
            reservations=parse_reservations(self._run(self._scontrol, "--oneliner", "show", "reservation")),
            jobs=jobs,
            limits=limits,
            shares=shares,
            qos={} if no_limits else self._qos(qos),
            partitions=self._partitions() if partitions else {},
            no_limits=no_limits,
            no_shares=no_shares,
            no_power=why_no_power(settings),
            no_features=why_no_features(settings),
        )

    def power(self, names: Sequence[str], on: bool) -> None:
        """Switch nodes on, or off as soon as they run nothing."""
        try:
            self._change("update", f"NodeName={compress(names)}", f"State={'POWER_UP' if on else 'POWER_DOWN'}")
        except EngineError as error:
            if "Invalid node state" in str(error):
                # Slurm shows the time of no partition, so this cannot be told beforehand.
                why = "its power saving is off where SuspendTime is set neither for the cluster nor for a partition"
                raise EngineError(f"{error}; {why}") from error
            raise

    def weigh(self, names: Sequence[str], weight: int) -> None:
        """Nodes of the least weight are used first."""
        self._change("update", f"NodeName={compress(names)}", f"Weight={weight}")

    def feature(self, names: Sequence[str], feature: str, on: bool) -> None:
        """Give nodes a feature of ours, or take it away; the others stay as they are at this moment."""
        _checked(feature, _FEATURE, "the name of a feature of ours")
        present = parse_nodes(self._run(self._scontrol, "--all", "--oneliner", "show", "node"))
        groups: dict[tuple[str, str], list[str]] = {}
        for node in (present[name] for name in names if name in present):
            both = [[one for one in those if one != feature] for those in (node.features, node.active)]
            available, active = (",".join([*kept, feature] if on else kept) for kept in both)
            groups.setdefault((available, active), []).append(node.name)
        for (available, active), alike in groups.items():
            # In one request: an active feature has to be an available one.
            told = (f"AvailableFeatures={available}", f"ActiveFeatures={active}")
            self._change("update", f"NodeName={compress(alike)}", *told)

    def move(self, partition: str, names: Sequence[str], into: bool) -> None:
        """Add nodes to a partition, or take them out; its others stay as they are at this moment.

        No node is left without a partition, and no partition without nodes.
        """
        _checked(partition, _ACCOUNT, "the name of a partition")
        present = self._partitions()
        if partition not in present:
            raise EngineError(f"Slurm has no partition {partition} any more.")
        others = {node for name, nodes in present.items() if name != partition for node in nodes}
        nodes = set(present[partition]) | set(names) if into else set(present[partition]) - set(names)
        if not into and not others >= set(names):
            raise EngineError(f"{compress(set(names) - others)} would be in no partition of Slurm.")
        if not nodes:
            raise EngineError(f"The partition {partition} would be without nodes.")
        # 22.05 can neither add to the nodes of a partition nor take from them: they are written as a whole.
        self._change("update", f"PartitionName={partition}", f"Nodes={compress(nodes)}")

    def reserve(self, name: str, account: str, names: Sequence[str]) -> None:
        """Keep exactly these nodes for an account; the reservation is made or changed."""
        _checked(name, _RESERVATION, "the name of a reservation")
        _checked(account, _ACCOUNT, "the name of an account of Slurm")
        if not names:
            # Slurm would choose nodes itself.
            raise EngineError(f"The reservation {name} would be without nodes.")
        words = [
            f"ReservationName={name}",
            f"Nodes={compress(names)}",
            f"Accounts={account}",
            f"Flags={','.join(RESERVATION_FLAGS)}",
        ]
        present = parse_reservations(self._run(self._scontrol, "--oneliner", "show", "reservation"))
        if name in present:
            try:
                self._change("update", *words, _END)
                return
            except EngineError as error:
                # One that has ended may be taken away at any moment.
                if present[name].active or _NO_RESERVATION not in str(error):
                    raise
        self._change("create", "reservation", *words, "StartTime=now", _END)

    def end_reservation(self, name: str) -> None:
        """End a reservation; one that is gone has ended. Jobs that run in it go on: FLEX lets them outlive it."""
        _checked(name, _RESERVATION, "the name of a reservation")
        try:
            self._change("delete", f"ReservationName={name}")
            return
        except EngineError as error:
            if _NO_RESERVATION in str(error):
                return
            if "in use" not in str(error):
                raise
        # Slurm deletes none that a job runs in, but takes it away itself after its end.
        end = ("update", f"ReservationName={name}", "EndTime=now")
        try:
            self._change(*end)
        except EngineError as error:
            if "Invalid time specified" not in str(error):
                raise
            # It began in this second, and cannot end in the same one.
            time.sleep(1.1)
            self._change(*end)

    def limit(self, account: str, gpus: int) -> None:
        """How many GPUs the jobs of an account and of those below it may use at the same time."""
        self._change_account(account, f"GrpTRES=gres/gpu={gpus}")

    def limit_qos(self, qos: str, gpus: int) -> None:
        """How many GPUs the jobs of a QOS may use at the same time."""
        _checked(qos, _ACCOUNT, "the name of a QOS")
        words = ("modify", "qos", "where", f"name={qos}", "set", f"GrpTRES=gres/gpu={gpus}")
        self._run(self._sacctmgr, "--immediate", *words)

    def share(self, account: str, share: int) -> None:
        """The fair share of an account among those that have the same account above them."""
        self._change_account(account, f"Fairshare={share}")

    def hold(self, job: str, comment: str) -> bool:
        """Hold a job and say so in its comment, both in one request; False if the job is gone."""
        return self._change_job("update", f"JobId={_job(job)}", "Priority=0", f"AdminComment={comment}")

    def release(self, job: str, comment: str) -> bool:
        """Release a job, then set its comment; False if the job is gone."""
        return self._change_job("release", _job(job)) and self.comment(job, comment)

    def comment(self, job: str, comment: str) -> bool:
        """Set the administrators' comment of a job; False if the job is gone."""
        return self._change_job("update", f"JobId={_job(job)}", f"AdminComment={comment}")

    def nice(self, job: str, nice: int, comment: str) -> bool:
        """Set what is taken off a job's priority, and its comment, both in one request; False if the job is gone."""
        if not 0 <= nice <= LONGEST_NICE:
            raise EngineError(f"{nice} cannot be the nice value of a job; it is 0 to {LONGEST_NICE}.")
        return self._change_job("update", f"JobId={_job(job)}", f"Nice={nice}", f"AdminComment={comment}")

    def requeue(self, job: str, comment: str) -> bool:
        """Say so in the comment, then end the job; Slurm starts it again. False if it is gone."""
        return self.comment(job, comment) and self._change_job("requeue", "Incomplete", _job(job))

    def _partitions(self) -> dict[str, tuple[str, ...]]:
        return parse_partitions(self._run(self._scontrol, "--all", "--oneliner", "show", "partition"))

    def _qos(self, names: Iterable[str]) -> dict[str, int | None]:
        wanted = sorted({name for name in names if is_account(name)})
        if not wanted:
            return {}
        where = ("show", "qos", f"name={','.join(wanted)}", "format=Name,GrpTRES")
        return parse_qos(self._run(self._sacctmgr, "--noheader", "--parsable2", *where))

    def _settings(self) -> dict[str, str]:
        return parse_settings(self._run(self._scontrol, "show", "config"))

    def _change_account(self, account: str, what: str) -> None:
        _checked(account, _ACCOUNT, "the name of an account of Slurm")
        where = (f"name={account}", f"cluster={self._settings()['ClusterName']}")
        self._run(self._sacctmgr, "--immediate", "modify", "account", "where", *where, "set", what)

    def _change_job(self, *words: str) -> bool:
        try:
            self._change(*words)
        except EngineError as error:
            if any(gone in str(error) for gone in _GONE):
                return False
            raise
        return True

    def _change(self, *words: str) -> None:
        self._run(self._scontrol, *words)

    def _run(self, *argv: str) -> str:
        command = " ".join(argv)
        try:
            answer = _runner.run(argv, self._timeout)
        except CommandError as error:
            raise EngineError(f"Slurm cannot be asked: {error}") from error
        if answer.rc != 0:
            said = (answer.stderr.strip() or answer.stdout.strip())[:500]
            raise EngineError(f"Slurm refused '{command:.500}': {said or 'no reason given'}")
        # squeue leaves a field out that it does not know, and calls that a success.
        if _UNKNOWN_FIELD in answer.stderr:
            raise EngineError(f"squeue cannot tell all of a job: {answer.stderr.strip()[:500]}")
        return answer.stdout


def is_account(name: str) -> bool:
    """Whether an account of Slurm, a QOS, a partition, and a part of the name of a reservation can have this name."""
    return _ACCOUNT.fullmatch(name) is not None


def parse_nodes(text: str) -> dict[str, NodeInputs]:
    """``scontrol --oneliner show node``. EngineError for a line that is none: no node may vanish."""
    nodes = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        # The reason is free text of other people and stands behind everything else that is read here.
        head = line.partition(" Reason=")[0]
        name, state, weight = _NODE.match(head), _STATE.search(head), _WEIGHT.search(head)
        if name is None or state is None or weight is None:
            raise EngineError(f"scontrol gave a line that is no node: {line[:200]!r}")
        reason, gres = _REASON.search(line), _GRES.search(head)
        available, active = _AVAILABLE.search(head), _ACTIVE.search(head)
        node = engine_node(name["name"], state["state"], reason["text"] if reason else "")
        states = set(node.states)
        powered_off = bool(states & _OFF) and not states & _COMING
        nodes[node.name] = NodeInputs(
            name=node.name,
            states=node.states,
            reason=node.reason,
            gpus=gpus(gres["gres"] if gres else "", node.name),
            weight=int(weight["weight"]),
            # A node that is off does not respond, and comes back when it is needed.
            serviceable=not states & _BROKEN if states & (_OFF | _COMING) else not node.out,
            powered_off=powered_off,
            busy=bool(states & _BUSY),
            features=_words(available["names"] if available else ""),
            active=_words(active["names"] if active else ""),
        )
    return nodes


def parse_reservations(text: str) -> dict[str, ReservationInputs]:
    """``scontrol --oneliner show reservation``. EngineError for a line that is none."""
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.strip() == "No reservations in the system":
            continue
        words = dict(word.partition("=")[::2] for word in line.split(" ") if word)
        if "ReservationName" not in words:
            raise EngineError(f"scontrol gave a line that is no reservation: {line[:200]!r}")
        nodes = _told(words.get("Nodes", ""))
        found[words["ReservationName"]] = ReservationInputs(
            name=words["ReservationName"],
            nodes=tuple(expand(nodes)),
            accounts=_words(words.get("Accounts", "")),
            flags=_words(words.get("Flags", "")),
            active=words.get("State") == "ACTIVE",
        )
    return found


def parse_partitions(text: str) -> dict[str, tuple[str, ...]]:
    """``scontrol --oneliner show partition`` as partition -> its nodes. EngineError for a line that is none."""
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.strip() == "No partitions in the system":
            continue
        match = _PARTITION.match(line)
        if match is None:
            raise EngineError(f"scontrol gave a line that is no partition: {line[:200]!r}")
        found[match["name"]] = tuple(expand(_told(match["nodes"])))
    return found


def parse_jobs(text: str) -> dict[str, JobInputs]:
    """``squeue --Format`` of the fields above, by job number. EngineError for a line that is no job."""
    jobs: dict[str, JobInputs] = {}
    lines: list[str] = []
    for line in text.splitlines():
        # Only the last field can hold a line break, and only administrators write it.
        if _JOB_LINE.match(line) or not lines:
            lines.append(line)
        else:
            lines[-1] += f"\n{line}"
    for line in lines:
        if not line.strip():
            continue
        words = [word.strip() for word in line.split("|", len(_FIELDS) - 1)]
        if len(words) < len(_FIELDS) or not _JOB_ID.fullmatch(words[0]):
            raise EngineError(f"squeue gave a line that is no job: {line[:200]!r}")
        number, array, state, reason, priority, nice, account, restarts, requeue, batch, nodes, comment = words
        jobs[number] = JobInputs(
            id=number,
            array_id=array,
            state=state,
            reason=reason,
            held=state == "PENDING" and (priority == "0" or reason in ("JobHeldAdmin", "JobHeldUser")),
            priority=int(priority) if priority.isdigit() else 0,
            nice=int(nice) if _WHOLE.fullmatch(nice) else 0,
            account=_told(account),
            restarts=int(restarts) if restarts.isdigit() else 0,
            can_requeue=requeue == batch == "1",
            nodes=tuple(expand(_told(nodes))),
            comment=_told(comment),
        )
    return jobs


def parse_settings(text: str) -> dict[str, str]:
    """``scontrol show config`` as key -> value, with "" for what is not set. EngineError if it is something else."""
    found = {match["key"]: _told(match["value"].strip()) for match in map(_SETTING.match, text.splitlines()) if match}
    if "ClusterName" not in found:
        raise EngineError(f"scontrol gave something that is no configuration: {text[:200]!r}")
    return found


def parse_accounts(text: str) -> tuple[dict[str, int | None], dict[str, int | None]]:
    """GPU limits and fair shares in ``sacctmgr --parsable2 show association format=Account,Fairshare,GrpTRES``."""
    limits: dict[str, int | None] = {}
    shares: dict[str, int | None] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        words = line.strip().split("|")
        if len(words) < 3 or not (words[1] == "parent" or words[1].isdigit()):
            raise EngineError(f"sacctmgr gave a line that is no account: {line[:200]!r}")
        found = _GPU_LIMIT.search(words[2])
        limits[words[0]] = int(found["count"]) if found else None
        shares[words[0]] = None if words[1] == "parent" else int(words[1])
    return limits, shares


def parse_qos(text: str) -> dict[str, int | None]:
    """GPU limits in ``sacctmgr --parsable2 show qos format=Name,GrpTRES``."""
    limits: dict[str, int | None] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        words = line.strip().split("|")
        if len(words) != 2 or not words[0]:
            raise EngineError(f"sacctmgr gave a line that is no QOS: {line[:200]!r}")
        found = _GPU_LIMIT.search(words[1])
        limits[words[0]] = int(found["count"]) if found else None
    return limits


def why_no_limits(settings: dict[str, str]) -> str:
    """Why a limit of an account or a QOS would do nothing; "" if it would."""
    if settings.get("AccountingStorageType") != "accounting_storage/slurmdbd":
        return _NO_ACCOUNTS
    if "limits" not in settings.get("AccountingStorageEnforce", "").split(","):
        return "Slurm does not enforce limits here (AccountingStorageEnforce lacks limits)"
    if "gres/gpu" not in settings.get("AccountingStorageTRES", "").split(","):
        return "Slurm does not count GPUs here (AccountingStorageTRES lacks gres/gpu)"
    return ""


def why_no_shares(settings: dict[str, str]) -> str:
    """Why a fair share of an account would do nothing; "" if it would."""
    if settings.get("AccountingStorageType") != "accounting_storage/slurmdbd":
        return _NO_ACCOUNTS
    if settings.get("PriorityType") != "priority/multifactor":
        return "Slurm does not go by fair shares here (PriorityType is not priority/multifactor)"
    if settings.get("PriorityWeightFairShare", "0") == "0":
        return "Slurm does not go by fair shares here (PriorityWeightFairshare is 0)"
    return ""


def why_no_features(settings: dict[str, str]) -> str:
    """Why features of nodes are not ours to set; "" if they are."""
    plugins = settings.get("NodeFeaturesPlugins", "")
    return f"a plugin of Slurm sets the features of nodes here (NodeFeaturesPlugins={plugins:.80})" if plugins else ""


def why_no_power(settings: dict[str, str]) -> str:
    """Why nodes cannot be switched off through Slurm; "" if they can."""
    for key in ("SuspendProgram", "ResumeProgram"):
        if not settings.get(key):
            return f"Slurm's power saving is not configured ({key} is not set)"
    return ""


def _words(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(filter(None, _told(text).split(",")))


def _told(value: str) -> str:
    return "" if value in ("(null)", "N/A", "None assigned") else value


def _job(number: str) -> str:
    return _checked(number, _JOB_ID, "the number of a job")


def _checked(text: str, rule: re.Pattern[str], what: str) -> str:
    if not rule.fullmatch(text):
        raise EngineError(f"{text!r:.80} is not {what}.")
    return text
