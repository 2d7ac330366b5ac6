# All chosen GPUs of this node: looked at, and brought to what is wanted, each in a child process with a deadline.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every GPU is looked at before any is touched, so that a wrong value changes nothing anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .._errors import GpuConfigError
from .._hardware.child import Progress, call_all_bounded
from .device import Device, bring, look, pending
from .owners import told
from .wanted import Wanted

Gpu = t.Mapping[str, t.Any]
# GPU -> (lowest, highest) as they were locked. It is below /run, which is empty after a boot like the locks themselves;
# the boot service of the role gpu_node keeps the same file.
RECORD = "/run/aidc_ops/gpu_clocks.json"


def names_of(gpu: Gpu) -> set[str]:
    """Return everything that a person may call the GPU by."""
    return {str(gpu[key]).lower() for key in ("index", "uuid", "device", "pci_bus_id") if gpu[key] is not None}


def why_silent(gpu: Gpu) -> str | None:
    """Return why the GPU cannot be set up, None if it can."""
    if gpu["error"] or gpu["lost"]:
        return str(gpu["error"] or "it no longer answers")
    return "it does not tell its UUID" if gpu["uuid"] is None else None


def choose(gpus: t.Sequence[Gpu], asked: t.Sequence[str], model: str | None) -> tuple[list[Gpu], list[Gpu]]:
    """Return the GPUs to set up, and those that were meant with others but do not answer.

    Raises GpuConfigError for a name that no GPU has, and for a GPU that was named itself and does not answer.
    """
    named = [name.strip().lower() for name in asked if name.strip().lower() != "all"]
    everyone = len(named) < len(asked)
    chosen = []
    for name in named:
        found = [gpu for gpu in gpus if name in names_of(gpu)]
        if not found:
            known = ", ".join("{} ({})".format(gpu["index"], gpu["uuid"]) for gpu in gpus) or "none"
            raise GpuConfigError(f"gpus: the node has no GPU {name[:80]!r}; it has: {known}")
        if why_silent(found[0]) is not None:
            raise GpuConfigError(f"gpus: GPU {name[:80]}: {why_silent(found[0])}")
        chosen += found
    wanted = [
        gpu
        for gpu in gpus
        if (everyone or gpu in chosen) and (model is None or str(gpu["model"]).lower() == model.lower())
    ]
    silent = [gpu for gpu in wanted if why_silent(gpu) is not None]
    return [gpu for gpu in wanted if gpu not in silent], silent


def read_record(path: str) -> dict[str, list[int]]:
    """Return GPU -> locked clocks; without a readable record nothing counts as locked."""
    try:
        with open(path, encoding="utf-8") as handle:
            record = json.load(handle)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(path: str, record: t.Mapping[str, t.Any]) -> None:
    """Replace the record as a whole; raise GpuConfigError."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as handle:
            json.dump(record, handle)
        os.replace(path + ".new", path)
    except OSError as exc:
        raise GpuConfigError(f"locked_clocks_mhz: what was locked cannot be remembered in {path}: {exc}") from exc


def _with(gpu: Gpu, progress: Progress, work: t.Callable[[Device], t.Any]) -> t.Any:
    """Open one GPU and work on it; the child's one use of NVML."""
    progress("starting NVML")
    import pynvml  # not at the top: the caller has said what to do where it is missing

    pynvml.nvmlInit()
    try:
        progress("opening GPU {}".format(gpu["index"]))
        handle = pynvml.nvmlDeviceGetHandleByUUID(gpu["uuid"])
        return work(Device(pynvml, handle))
    except pynvml.NVMLError as exc:
        raise GpuConfigError(str(exc)) from exc
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def look_at(
    gpus: t.Sequence[Gpu], wanted: Wanted, record: t.Mapping[str, t.Any], timeout: float
) -> dict[str, dict[str, t.Any]]:
    """Return UUID -> C({"before", "after", "reset_needed", "reboot_needed", "refused", "error"}); touches nothing."""

    def ask(gpu: Gpu) -> t.Callable[[Progress], t.Any]:
        def work(device: Device) -> dict[str, t.Any]:
            return {**look(device, wanted, record.get(gpu["uuid"])), **pending(device, wanted), "error": None}

        return lambda progress: _with(gpu, progress, work)

    found = {}
    for uuid, outcome in call_all_bounded({gpu["uuid"]: ask(gpu) for gpu in gpus}, timeout).items():
        if outcome.problem is not None:
            found[uuid] = {"before": {}, "after": {}, "refused": [], "error": str(outcome.problem)}
            continue
        found[uuid] = outcome.value
        if outcome.value["refused"]:
            processes = ", ".join(map(told, outcome.value["refused"]))
            found[uuid]["error"] = f"mig: processes use the GPU, drain the node first: {processes}"
    return found


def apply_to(
    gpus: t.Sequence[Gpu], wanted: Wanted, record: t.Mapping[str, t.Any], timeout: float
) -> dict[str, dict[str, t.Any]]:
    """Set up the GPUs, at the same time; return UUID -> C({"state", "reset_needed", "reboot_needed", "error"}).

    One that fails does not stop the others.
    """

    def order(gpu: Gpu) -> t.Callable[[Progress], t.Any]:
        def run(progress: Progress) -> t.Any:
            return _with(gpu, progress, lambda device: bring(device, wanted, record.get(gpu["uuid"]), progress))

        return run

    outcomes = call_all_bounded({gpu["uuid"]: order(gpu) for gpu in gpus}, timeout)
    return {
        uuid: {"state": None, "error": str(outcome.problem)} if outcome.problem else {**outcome.value, "error": None}
        for uuid, outcome in outcomes.items()
    }
