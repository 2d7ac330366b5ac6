# Brings the GPUs of this node to the policy in a file: persistence mode, power limit, clocks.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check or apply the GPU policy of this node.

The policy is a JSON file: {"persistence_mode": bool, "power_limit_watts": number or null, "clocks_mhz": [min, max] or
null}; null means leave it alone.

check   refuses a policy that a GPU of this node cannot hold; touches nothing
plan    prints what apply would change; touches nothing
apply   sets what differs, reads it back, and prints as JSON
        {"changes": [{"gpu", "setting", "from", "to"}], "skipped": [text]}

A GPU that fell off the bus is skipped and named, so that one broken GPU does not leave the others without their policy.
NVML cannot read back locked clocks; what was locked is remembered in a file below /run, which is empty after a boot
like the locks themselves.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from dataclasses import dataclass, field
from typing import Any

RECORD = "/run/aidc_ops/gpu_clocks.json"
GPU_IS_LOST = 15
GRAPHICS = 0


class PolicyError(Exception):
    """The policy is malformed, cannot be held, or did not take; the message says which."""


@dataclass(frozen=True)
class Policy:
    """Power in milliwatts, the unit of NVML; clocks as (min, max) in MHz; None means leave it alone."""

    persistence_mode: bool
    power_limit_mw: int | None
    clocks_mhz: tuple[int, int] | None


@dataclass
class Report:
    """What apply did and whom it left out."""

    changes: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def parse_policy(text: str) -> Policy:
    """Return the policy in the text; raise PolicyError naming what is wrong."""
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise PolicyError(f"the policy is not JSON: {exc}") from exc
    if not isinstance(data, dict) or set(data) != {"persistence_mode", "power_limit_watts", "clocks_mhz"}:
        raise PolicyError("the policy needs exactly the keys persistence_mode, power_limit_watts and clocks_mhz")
    persistence, watts, clocks = data["persistence_mode"], data["power_limit_watts"], data["clocks_mhz"]
    if not isinstance(persistence, bool):
        raise PolicyError(f"persistence_mode must be true or false, not {persistence!r}")
    if watts is not None and (not _is_number(watts) or watts <= 0):
        raise PolicyError(f"power_limit_watts must be a number above 0 or null, not {watts!r}")
    if clocks is not None:
        whole = isinstance(clocks, list) and all(_is_number(clock) and clock == int(clock) for clock in clocks)
        if not whole or len(clocks) != 2 or not 0 < clocks[0] <= clocks[1]:
            raise PolicyError(f"clocks_mhz must be whole numbers [min, max], 0 < min <= max, or null, not {clocks!r}")
        clocks = (int(clocks[0]), int(clocks[1]))
    return Policy(persistence, None if watts is None else round(watts * 1000), clocks)


def check_gpu(nvml: Any, handle: Any, name: str, policy: Policy) -> None:
    """Raise PolicyError if this GPU cannot hold the policy."""
    if policy.power_limit_mw is not None:
        low, high = nvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
        if not low <= policy.power_limit_mw <= high:
            raise PolicyError(
                f"{name}: a power limit of {policy.power_limit_mw / 1000:g} W is out of range, "
                f"this GPU allows {low / 1000:g} to {high / 1000:g} W"
            )
    if policy.clocks_mhz is not None:
        highest = nvml.nvmlDeviceGetMaxClockInfo(handle, GRAPHICS)
        if policy.clocks_mhz[1] > highest:
            raise PolicyError(
                f"{name}: a graphics clock of {policy.clocks_mhz[1]} MHz is out of range, this GPU allows {highest} MHz"
            )


def _apply_persistence(nvml: Any, handle: Any, name: str, policy: Policy, report: Report, write: bool) -> None:
    found = bool(nvml.nvmlDeviceGetPersistenceMode(handle))
    if found == policy.persistence_mode:
        return
    report.changes.append({"gpu": name, "setting": "persistence_mode", "from": found, "to": policy.persistence_mode})
    if write:
        nvml.nvmlDeviceSetPersistenceMode(handle, int(policy.persistence_mode))
        if bool(nvml.nvmlDeviceGetPersistenceMode(handle)) != policy.persistence_mode:
            raise PolicyError(f"{name}: the driver accepted the persistence mode but did not keep it")


def _apply_power(nvml: Any, handle: Any, name: str, policy: Policy, report: Report, write: bool) -> None:
    if policy.power_limit_mw is None:
        return
    found = nvml.nvmlDeviceGetPowerManagementLimit(handle)
    if found == policy.power_limit_mw:
        return
    wanted = policy.power_limit_mw / 1000
    report.changes.append({"gpu": name, "setting": "power_limit_watts", "from": found / 1000, "to": wanted})
    if write:
        nvml.nvmlDeviceSetPowerManagementLimit(handle, policy.power_limit_mw)
        kept = nvml.nvmlDeviceGetPowerManagementLimit(handle)
        if kept != policy.power_limit_mw:
            raise PolicyError(f"{name}: the power limit reads back as {kept / 1000:g} W instead of {wanted:g} W")


def _apply_clocks(
    nvml: Any, handle: Any, name: str, policy: Policy, report: Report, write: bool, locked: dict[str, Any]
) -> None:
    if policy.clocks_mhz is None:
        return
    wanted = list(policy.clocks_mhz)
    if locked.get(name) != wanted:
        report.changes.append({"gpu": name, "setting": "clocks_mhz", "from": locked.get(name), "to": wanted})
    if write:
        # Always, since a GPU reset drops the lock and nothing tells.
        nvml.nvmlDeviceSetGpuLockedClocks(handle, *wanted)
        locked[name] = wanted


def read_record(path: str) -> dict[str, Any]:
    """Return GPU -> locked clocks; without a readable record nothing counts as locked."""
    try:
        with open(path, encoding="utf-8") as handle:
            record = json.load(handle)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(path: str, locked: dict[str, Any]) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as handle:
        json.dump(locked, handle)
    os.replace(path + ".new", path)


def run(nvml: Any, policy: Policy, mode: str, record: str = RECORD) -> Report:
    """Check every GPU, then (mode 'plan' or 'apply') go through them.

    Raises PolicyError before touching any GPU if one cannot hold the policy.
    """
    report = Report()
    gpus = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = nvml.nvmlDeviceGetUUID(handle)
            check_gpu(nvml, handle, name, policy)
            gpus.append((handle, name))
        except nvml.NVMLError as exc:
            if exc.value != GPU_IS_LOST:
                raise PolicyError(f"GPU {index}: {exc}") from exc
            report.skipped.append(f"GPU {index}: {exc}")
    if mode == "check":
        return report
    locked = read_record(record)
    for handle, name in gpus:
        try:
            _apply_persistence(nvml, handle, name, policy, report, mode == "apply")
            _apply_power(nvml, handle, name, policy, report, mode == "apply")
            _apply_clocks(nvml, handle, name, policy, report, mode == "apply", locked)
        except nvml.NVMLError as exc:
            raise PolicyError(f"{name}: {exc}") from exc
    if mode == "apply" and policy.clocks_mhz is not None:
        write_record(record, locked)
    return report


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Check or apply the GPU policy of this node.")
    parser.add_argument("mode", choices=("check", "plan", "apply"), help="plan says what apply would change")
    parser.add_argument("policy", help="the policy file")
    options = parser.parse_args(arguments)
    try:
        import pynvml
    except ImportError:
        print(f"gpu_policy: the Python package nvidia-ml-py is missing for {sys.executable}", file=sys.stderr)
        return 1
    try:
        with open(options.policy, encoding="utf-8") as handle:
            policy = parse_policy(handle.read())
        pynvml.nvmlInit()
        try:
            report = run(pynvml, policy, options.mode)
        finally:
            pynvml.nvmlShutdown()
    except (PolicyError, OSError, pynvml.NVMLError) as exc:
        print(f"gpu_policy: {exc}", file=sys.stderr)
        return 1
    print(json.dumps({"changes": report.changes, "skipped": report.skipped}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
