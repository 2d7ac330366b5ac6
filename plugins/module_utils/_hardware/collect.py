# Collects the hardware record of the node this runs on: every source at the same time, each for a limited time.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each source is read in a child process. One that fails or hangs costs its own parts, which are then null and told
among the problems. What a source needs is imported in its child, so that the imports run at the same time as well.
"""

from __future__ import annotations

import builtins
import functools
import os
import shutil
import time
import typing as t

from .child import ChildFailed, Progress, call_all_bounded
from .record import build, merge_bmc

if t.TYPE_CHECKING:
    from ._record_types import HardwareRecord

# A source keeps to its own time limit and can then say what hangs; this is for one that does not.
_GRACE_SECONDS = 5.0
# Displays and other GPUs of NVIDIA on the PCI bus. AMD's are found on the bus by their reader.
_NVIDIA = "0x10de"
_GPU_CLASSES = ("0x0300", "0x0302")
# Where ipmitool looks for the BMC of its own machine.
_IPMI_DEVICES = ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0")


class NoAnswer(Exception):
    """A source was asked and did not give an answer; the message says why."""


class Asked(t.NamedTuple):
    """What every source is told: below which directory to read, for how long, and how to run a program."""

    root: str
    timeout: float
    run: t.Callable[..., t.Any]


Source = t.Callable[[Asked, Progress], t.Dict[str, t.Any]]


def read_node(asked: Asked, progress: Progress) -> dict[str, t.Any]:
    """Return what the kernel and the firmware tell."""
    progress("reading the node")
    from .nodes import read_parts

    return read_parts(asked.root, asked.timeout)


def read_gpus(asked: Asked, progress: Progress) -> dict[str, t.Any]:
    """Return the GPUs of all makers."""
    progress("reading the GPUs")
    from .gpus import read_gpus as read

    return read(asked.root, asked.timeout)


def read_bmc(asked: Asked, progress: Progress) -> dict[str, t.Any]:
    """Return what the BMC of this machine tells in band; nothing on a machine without one."""
    if not any(os.path.exists(os.path.join(asked.root, device)) for device in _IPMI_DEVICES):
        return {}
    progress("asking the BMC")
    from .bmc_reader import Request
    from .bmc_reader import read_bmc as read

    return read(Request(parts=("system", "power", "thermal", "bmc"), timeout=asked.timeout), asked.run)


def read_neighbors(asked: Asked, progress: Progress) -> dict[str, t.Any]:
    """Return what the switches say about themselves, as lldpd heard it; nothing where lldpd is not installed."""
    program = shutil.which("lldpctl", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin:/sbin")
    if program is None:
        return {}
    progress("asking lldpd")
    from .lldp import leaf, parse_lldpctl

    answer = asked.run([program, "-f", "json0"], asked.timeout)
    if answer.rc:
        raise NoAnswer(f"lldpctl failed: {answer.stderr.strip()[-300:] or 'it does not say why'}")
    neighbors = parse_lldpctl(answer.stdout)
    return {"lldp_neighbors": neighbors, "leaf": leaf(neighbors)}


class Sources(t.NamedTuple):
    """The readers of all sources; tests hand in others."""

    node: Source = read_node
    gpus: Source = read_gpus
    bmc: Source = read_bmc
    topology: Source = read_neighbors


def _message(problem: Exception) -> str:
    """Return a failure in words. What a source raises itself says all; of Python's own the kind is worth knowing."""
    if isinstance(problem, ChildFailed) and hasattr(builtins, problem.kind):
        return f"cannot be read: {problem.kind}: {problem}"
    return str(problem)


def _doubt(record: HardwareRecord, reason: t.Any) -> None:
    """Make "no GPU" unknown where the bus has some: without a driver nobody can ask them."""
    there = [
        link["pci_address"]
        for link in record["pcie_links"] or ()
        if link["vendor_id"] == _NVIDIA and (link["class_id"] or "").startswith(_GPU_CLASSES)
    ]
    if there and record["gpus"] == []:
        record["gpus"] = None
        message = f"no driver answers for the GPUs on the bus ({', '.join(there)}): {reason}"
        record["problems"].append({"part": "gpus", "device": None, "message": message})


def collect(
    asked: Asked,
    topology: t.Mapping[str, t.Any],
    bmc: t.Mapping[str, t.Any] | None = None,
    bmc_in_band: bool = True,
    sources: Sources | None = None,
) -> HardwareRecord:
    """Return the record of this node.

    C(topology) is what somebody knows of the place of the node, which goes before what was heard. C(bmc) is what the
    module bmc_info said; without it the BMC is asked in band, unless C(bmc_in_band) forbids that.
    """
    wanted = (sources or Sources())._asdict()
    if bmc is not None or not bmc_in_band:
        del wanted["bmc"]
    calls = {part: functools.partial(source, asked) for part, source in wanted.items()}
    outcomes = call_all_bounded(calls, asked.timeout + _GRACE_SECONDS)
    problems: list[t.Any] = []
    values: dict[str, dict[str, t.Any]] = {}
    for part, outcome in outcomes.items():
        values[part] = outcome.value or {}
        if outcome.problem is not None:
            problems.append({"part": part, "device": None, "message": _message(outcome.problem)})
        elif part != "bmc":
            problems += values[part].get("problems") or ()
    place = {**values["topology"], **{name: value for name, value in topology.items() if value is not None}}
    parts = {**values["node"], **values["gpus"], "topology": place, "problems": problems}
    record = build(parts, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    _doubt(record, values["gpus"].get("reason"))
    told = values.get("bmc") if bmc is None else bmc
    return merge_bmc(record, told) if told else record
