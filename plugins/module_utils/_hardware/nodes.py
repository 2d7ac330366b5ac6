# Reads a whole node: every part at the same time, and nothing that hangs holds up the rest.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two rounds of children, each with half of the time.

The first reads what the kernel knows by itself, part by part. The second asks each device for what only the device can
tell: network adapters, NVMe drives, filesystems.

What fails is null and has an entry among the problems; it hides nothing else.
"""

from __future__ import annotations

import functools
import os
import typing as t

from . import filesystems
from .child import ChildFailed, Progress, call_all_bounded
from .clock import CLOCK_KEYS, read_clock
from .cpus import read_cpus
from .disks import read_disks
from .dmi import NODE_KEYS, read_node
from .infiniband import ask_port, read_ports
from .memory import MEMORY_KEYS, read_memory
from .nics import ask_nic, read_nics
from .numa import read_numa_nodes
from .nvme import wear_percent
from .nvswitches import read_nvswitches
from .os_facts import OS_KEYS, read_os
from .pcie import read_pcie_links
from .sysfs import Report

Entry = t.Dict[str, t.Any]

_READERS: dict[str, t.Callable[[str, Report], t.Any]] = {
    "node": read_node,
    "os": read_os,
    "cpus": read_cpus,
    "numa_nodes": read_numa_nodes,
    "memory": read_memory,
    "nvswitches": read_nvswitches,
    "nics": read_nics,
    "infiniband_ports": read_ports,
    "disks": read_disks,
    "filesystems": filesystems.read_mounts,
    "pcie_links": read_pcie_links,
    "clock": read_clock,
}
PARTS = tuple(_READERS)
# These are one object each; one that cannot be read keeps its fields.
_OBJECTS = {"node": NODE_KEYS, "os": OS_KEYS, "memory": MEMORY_KEYS, "clock": CLOCK_KEYS}


class _Question(t.NamedTuple):
    """What completes some entries of a part; C(ask) gives the answers in their order, None for one to leave out."""

    part: str
    entries: list[Entry]
    devices: list[str]
    ask: t.Callable[[], list[Entry | None]]


def _read(
    reader: t.Callable[[str, Report], t.Any], root: str, progress: Progress
) -> tuple[t.Any, list[tuple[str | None, str]]]:
    reports: list[tuple[str | None, str]] = []
    value = reader(root, lambda device, message: reports.append((device, message)))
    return value, reports


def _message(problem: Exception) -> str:
    """Return a failure in words. What the readers raise themselves says all; of the rest the kind is worth knowing."""
    if isinstance(problem, ChildFailed) and problem.kind not in ("Unreadable", "died"):
        return f"cannot be read: {problem.kind}: {problem}"
    return str(problem)


def _one(function: t.Callable[..., Entry], *arguments: t.Any) -> list[Entry | None]:
    return [function(*arguments)]


def _wear(name: str, timeout: float) -> Entry:
    return {"wear_percent": wear_percent(name, timeout)}


def _device_questions(root: str, answer: t.Mapping[str, t.Any], timeout: float) -> t.Iterator[_Question]:
    for nic in answer["nics"] or ():
        name = nic["name"]
        yield _Question("nics", [nic], [name], functools.partial(_one, ask_nic, root, name))
    for port in answer["infiniband_ports"] or ():
        device, number = port["device"], port["port"]
        ask = functools.partial(_one, ask_port, root, device, number)
        yield _Question("infiniband_ports", [port], [f"{device}/{number}"], ask)
    for disk in answer["disks"] or ():
        name = disk["name"]
        # Only the drives of the running system can be asked.
        if root == "/" and name.startswith("nvme"):
            yield _Question("disks", [disk], [name], functools.partial(_one, _wear, name, timeout))


def _mount_questions(mounts: t.Sequence[filesystems.Mount], entries: t.Sequence[Entry]) -> t.Iterator[_Question]:
    groups: dict[str, list[int]] = {}
    for index, mount in enumerate(mounts):
        # What hangs, hangs for all mounts of one filesystem.
        groups.setdefault(mount.device, []).append(index)
    for members in groups.values():
        concerned = [entries[index] for index in members]
        ask = functools.partial(filesystems.ask, [mounts[index].point for index in members])
        yield _Question("filesystems", concerned, [entry["mount"] for entry in concerned], ask)


def _first_round(root: str, timeout: float, parts: t.Sequence[str]) -> dict[str, t.Any]:
    answer: dict[str, t.Any] = {**dict.fromkeys(PARTS), "problems": []}
    outcomes = call_all_bounded({part: functools.partial(_read, _READERS[part], root) for part in parts}, timeout)
    for part, outcome in outcomes.items():
        reports = [(None, _message(outcome.problem))] if outcome.problem else outcome.value[1]
        answer["problems"] += [{"part": part, "device": device, "message": message} for device, message in reports]
        if outcome.problem is None:
            answer[part] = outcome.value[0]
        elif part in _OBJECTS:
            answer[part] = dict.fromkeys(_OBJECTS[part])
    return answer


def _second_round(answer: dict[str, t.Any], questions: t.Sequence[_Question], timeout: float) -> None:
    """Ask the devices and complete their entries."""
    asks = {number: functools.partial(_ask, question) for number, question in enumerate(questions)}
    for number, outcome in call_all_bounded(asks, timeout).items():
        part, entries, devices, _unused = questions[number]
        error = None if outcome.problem is None else _message(outcome.problem)
        found: list[Entry | None] = outcome.value
        if error is not None:
            found = [{"error": error} if part == "filesystems" else {} for _entry in entries]
        for entry, device, fields in zip(entries, devices, found):
            if fields is None:
                answer[part].remove(entry)
                continue
            entry.update(fields)
            message = error or entry.get("error")
            if message:
                answer["problems"].append({"part": part, "device": device, "message": message})


def _ask(question: _Question, progress: Progress) -> list[Entry | None]:
    return question.ask()


def read_parts(root: str, timeout: float, parts: t.Sequence[str] = PARTS) -> dict[str, t.Any]:
    """Return the parts of the node and the problems of reading them, within C(timeout) seconds.

    The hardware is read below C(root); the system that runs (name, mounts, boot, clock) is asked itself. A part that
    is not wanted is null.
    """
    root = os.path.realpath(root)
    answer = _first_round(root, timeout / 2, parts)
    mounts = [filesystems.Mount(*fields) for fields in answer["filesystems"] or ()]
    if answer["filesystems"] is not None:
        answer["filesystems"] = [filesystems.entry(mount) for mount in mounts]
    questions = [*_device_questions(root, answer, timeout / 2)]
    questions += _mount_questions(mounts, answer["filesystems"] or [])
    _second_round(answer, questions, timeout / 2)
    return answer
