# Limits of a Slurm job or partition: read from scontrol, changed where they differ, and read back.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's name, comment and command are free text of its owner and stand in the same line as its limits. Each limit is
therefore read together with its neighbours, and a line in which that is found twice is refused.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm import SlurmEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, EngineError, ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize.outcome import Outcome

JOB_OPTIONS = ("time_limit", "nodes", "cpus", "memory")
PARTITION_OPTIONS = ("max_time", "max_nodes")

_UNLIMITED = -1
_WORKLOAD = re.compile(r"(?:job/)?([0-9]{1,10}(?:_[0-9]{1,10})?)|partition/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")
_MISSING = ("Invalid job id specified", "not found", "Invalid partition name specified")
_ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "COMPLETING",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
_STATE = re.compile(r" JobState=(\S+) Reason=")
_DAYS = re.compile(r"([0-9]{1,6})-([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2}))?)?")
_CLOCK = re.compile(r"([0-9]{1,8})(?::([0-9]{1,2})(?::([0-9]{1,2}))?)?")
_MEMORY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGTP]?)B?", re.IGNORECASE)
_MIB = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2, "P": 1024**3}


class _Limit(t.NamedTuple):
    """Where a limit is read, what scontrol calls it when it is changed, and how its text is understood and written."""

    pattern: t.Pattern[str]
    key: str
    understand: t.Callable[[str], int | None]
    write: t.Callable[[int], str]


def minutes(given: t.Any, where: str) -> int:
    """The minutes of a time as Slurm takes it, -1 for UNLIMITED. ResizeError names *where*.

    Numbers are refused: YAML reads an unquoted 2:00:00 as 7200, which Slurm would take for five days.
    """
    found = _minutes(given) if isinstance(given, str) else None
    if found is None or found == 0:
        raise ResizeError(
            f"{where} is {given!r:.60}; write it in quotes as '90' (minutes), '1:30:00', '2-00:00:00' or 'UNLIMITED'"
        )
    return found


def mebibytes(given: t.Any, where: str) -> int:
    """The MiB of a size as Slurm takes it: 64G, 65536M, 65536. ResizeError names *where*."""
    found = None if isinstance(given, bool) else _mebibytes(str(given))
    if not found:
        raise ResizeError(f"{where} is {given!r:.60}; write it as 64G, 65536M or 1T, in whole MiB for each node")
    return found


def count(given: t.Any, where: str) -> int:
    """A number from 1 on, or -1 for UNLIMITED where that is allowed. ResizeError names *where*."""
    found = _count(str(given).strip())
    if not found or (found == _UNLIMITED and where != "max_nodes"):
        more = " or UNLIMITED" if where == "max_nodes" else ""
        raise ResizeError(f"{where} is {given!r:.60}; it has to be a whole number from 1 on{more}")
    return found


def resize(engine: SlurmEngine, workload: str, wishes: t.Mapping[str, int], dry_run: bool) -> Outcome:
    """Change what differs. *wishes*: option -> minutes, MiB or count.

    EngineError if Slurm shows something else afterwards.
    """
    job, partition = named(workload)
    limits = _JOB if job else _PARTITION
    wrong = sorted(set(wishes) - set(limits))
    if wrong:
        raise ResizeError(f"{', '.join(wrong)} cannot be set for {workload}; it has {', '.join(limits)}")
    lines = _lines(engine, job, partition)
    if job:
        _check_states(lines, job, wishes)
    before = {name: _shown(lines, limits[name], workload) for name in wishes}
    after = {
        name: before[name]
        if all(limits[name].understand(text) == wanted for text in before[name].split(","))
        else limits[name].write(wanted)
        for name, wanted in wishes.items()
    }
    changes = [f"{limits[name].key}={after[name]}" for name in wishes if after[name] != before[name]]
    if changes:
        try:
            engine.update(f"JobId={job}" if job else f"PartitionName={partition}", *changes)
        except EngineError as error:
            raise EngineError(f"{error}{_made_anyway(engine, workload, limits, before)}") from error
    if changes and not dry_run:
        lines = _lines(engine, job, partition)
        for name, wanted in wishes.items():
            found = _shown(lines, limits[name], workload)
            if any(limits[name].understand(text) != wanted for text in found.split(",")):
                raise EngineError(
                    f"Slurm took the change of {workload}, but shows {name} {found} in place of {after[name]}."
                )
    notes = (
        ()
        if job or not changes
        else (f"Slurm forgets this when slurm.conf is read again; write it there too to keep {partition} so.",)
    )
    return Outcome(before, after, "update", notes)


def named(workload: str) -> tuple[str, str]:
    """The number of a job or the name of a partition; the other is empty. ResizeError for any other text."""
    match = _WORKLOAD.fullmatch(workload)
    if match is None:
        raise ResizeError(f"{workload!r:.120} is neither job/<number> nor partition/<name> of Slurm")
    return match.group(1) or "", match.group(2) or ""


def _lines(engine: SlurmEngine, job: str, partition: str) -> list[str]:
    kind, name = ("job", job) if job else ("partition", partition)
    try:
        text = engine.show(kind, name)
    except EngineError as error:
        if any(words in str(error) for words in _MISSING):
            raise ResizeError(f"Slurm has no {kind} {name}; it has ended, or was never there") from error
        raise
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise EngineError(f"Slurm says nothing about {kind} {name}.")
    return lines


def _made_anyway(
    engine: SlurmEngine, workload: str, limits: t.Mapping[str, _Limit], before: t.Mapping[str, str]
) -> str:
    """What is changed by a command that Slurm refused, for the end of the message: it keeps what it took until then."""
    try:
        lines = _lines(engine, *named(workload))
        now = {name: _shown(lines, limits[name], workload) for name in before}
    except AidcOpsError:
        return ""
    made = [f"{name} {text}" for name, text in now.items() if text != before[name]]
    return f"; changed all the same: {', '.join(made)}" if made else ""


def _check_states(lines: t.Sequence[str], job: str, wishes: t.Mapping[str, int]) -> None:
    """ResizeError for a job that has ended, or that runs and would need another allocation."""
    states = {_found(_STATE, line, f"job {job}") for line in lines}
    if states <= _ENDED:
        raise ResizeError(f"job {job} has ended ({', '.join(sorted(states))})")
    others = [name for name in wishes if name != "time_limit"]
    if others and states != {"PENDING"}:
        shown = ", ".join(sorted(states))
        raise ResizeError(
            f"job {job} is {shown}; only its time limit can be changed then, {', '.join(others)} while it is pending"
        )


def _shown(lines: t.Sequence[str], limit: _Limit, workload: str) -> str:
    """The limit in Slurm's words; several of them, with commas, where the tasks of an array differ."""
    return ",".join(sorted({_found(limit.pattern, line, workload) for line in lines}))


def _found(pattern: t.Pattern[str], line: str, whose: str) -> str:
    found = pattern.findall(line)
    if len(found) > 1:
        raise EngineError(f"The name or comment of {whose} looks like a limit of Slurm, so its limits cannot be told.")
    if not found:
        raise EngineError(f"scontrol gave a line about {whose} that is not understood: {line[:200]!r}")
    return str(found[0])


def _minutes(text: str) -> int | None:
    """Rounded up, as Slurm does; None for what is no time, such as Partition_Limit."""
    text = text.strip()
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return _UNLIMITED
    days = _DAYS.fullmatch(text)
    if days:
        day, hour, minute, left = (int(part or 0) for part in days.groups())
        return ((day * 24 + hour) * 60 + minute) + (left > 0)
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return None
    first, second, third = (None if part is None else int(part) for part in clock.groups())
    if second is None:
        return first
    if third is None:
        return (first or 0) + (second > 0)
    return (first or 0) * 60 + second + (third > 0)


def _clock(number: int) -> str:
    if number == _UNLIMITED:
        return "UNLIMITED"
    hours, minute = divmod(number, 60)
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02d}:{minute:02d}:00"


def _mebibytes(text: str) -> int | None:
    """None for what is no size, or a limit for each CPU, which is another one."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        return None
    number = float(match.group(1)) * _MIB[match.group(2).upper()]
    return int(number) if number == int(number) else None


def _count(text: str) -> int | None:
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return _UNLIMITED
    low, _dash, high = text.partition("-")
    return int(low) if low.isdecimal() and high in ("", low) else None


def _number(value: int) -> str:
    return "UNLIMITED" if value == _UNLIMITED else str(value)


# NumNodes of a pending job is a range where its owner gave one, and only a range changes its upper end. scontrol takes
# memory in MiB without a letter, and shows MinMemoryCPU where it was asked for by CPU.
_JOB = {
    "time_limit": _Limit(re.compile(r" RunTime=\S+ TimeLimit=(\S+) TimeMin="), "TimeLimit", _minutes, _clock),
    "nodes": _Limit(
        re.compile(r" NumNodes=(\S+) NumCPUs=[0-9]"), "NumNodes", _count, lambda number: f"{number}-{number}"
    ),
    "cpus": _Limit(re.compile(r" NumNodes=\S+ NumCPUs=(\S+) NumTasks="), "NumCPUs", _count, _number),
    "memory": _Limit(
        re.compile(r" MinCPUsNode=\S+ MinMemory(?:Node=|(?=CPU=))(\S+) MinTmpDiskNode="),
        "MinMemoryNode",
        _mebibytes,
        str,
    ),
}
_PARTITION = {
    "max_time": _Limit(re.compile(r" MaxNodes=\S+ MaxTime=(\S+) MinNodes="), "MaxTime", _minutes, _clock),
    "max_nodes": _Limit(re.compile(r" MaxNodes=(\S+) MaxTime="), "MaxNodes", _count, _number),
}
