# One GPU: what it is set to, what would change, and the change, read back from the driver.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(look) touches nothing, C(bring) sets what differs. Both answer with plain data, since they run in a child process.

Order: ECC and MIG first, since some GPUs are reset when MIG mode changes, which drops power limit and clocks.
Locked clocks cannot be read back through NVML: who calls remembers them.
"""

from __future__ import annotations

import typing as t

from .._errors import GpuConfigError
from .._hardware.nvml_ask import FUNCTION_NOT_FOUND, GPU_IS_LOST, NO_PERMISSION, NOT_SUPPORTED
from .mig import MigGpu, read_profiles
from .mig_layout import find, label
from .owners import whose
from .wanted import COMPUTE_MODES, DEFAULT, Wanted

Progress = t.Callable[[str], None]
State = t.Dict[str, t.Any]

_GRAPHICS_CLOCK = 0
_FIELD_RECOVERY_ACTION = 230
# nvmlDeviceGpuRecoveryAction_t: the driver wants the node rebooted.
_REBOOT_ACTIONS = (2, 7)
# What stands for "in no MIG instance".
_NO_INSTANCE = 0xFFFFFFFF
_MODE_NAMES = {number: name for name, number in COMPUTE_MODES.items()}


class Device:
    """The questions and orders to one GPU; NVML's errors become GpuConfigError that name the setting."""

    def __init__(self, nvml: t.Any, handle: t.Any) -> None:
        self.nvml = nvml
        self.handle = handle

    def call(self, setting: str, name: str, *arguments: t.Any) -> t.Any:
        """Call a function of NVML about this GPU."""
        try:
            return getattr(self.nvml, name)(self.handle, *arguments)
        except self.nvml.NVMLError as exc:
            raise self.explain(setting, exc) from exc

    def explain(self, setting: str, exc: t.Any) -> GpuConfigError:
        """Return what an error of NVML means for a setting."""
        if exc.value in (NOT_SUPPORTED, FUNCTION_NOT_FOUND):
            return GpuConfigError(f"{setting}: this GPU or its driver does not support it ({exc})")
        if exc.value == NO_PERMISSION:
            return GpuConfigError(f"{setting}: the driver does not permit it ({exc}); run this task as root (become)")
        if exc.value == GPU_IS_LOST:
            return GpuConfigError(f"{setting}: the GPU no longer answers ({exc})")
        return GpuConfigError(f"{setting}: {exc}")

    def watts(self, name: str) -> float:
        """Return a power in watts."""
        return int(self.call("power_limit_watts", name)) / 1000

    def mig_modes(self) -> tuple[bool, bool]:
        """Return whether MIG is on now, and after the next reset."""
        now, pending = self.call("mig", "nvmlDeviceGetMigMode")
        return bool(now), bool(pending)

    def ecc_modes(self) -> tuple[bool, bool]:
        """Return whether ECC is on now, and after the next reset."""
        now, pending = self.call("ecc", "nvmlDeviceGetEccMode")
        return bool(now), bool(pending)

    def mig_gpu(self) -> MigGpu:
        """Return the MIG instances."""
        try:
            return MigGpu(self.nvml, self.handle)
        except self.nvml.NVMLError as exc:
            raise self.explain("mig_layout", exc) from exc

    def processes(self) -> list[tuple[int, int]]:
        """Return (process, GPU instance) of what runs on the GPU."""
        running = list(self.call("processes", "nvmlDeviceGetComputeRunningProcesses"))
        try:
            running += self.nvml.nvmlDeviceGetGraphicsRunningProcesses(self.handle)
        except self.nvml.NVMLError as exc:
            if exc.value != NOT_SUPPORTED:  # as boards without graphics, and GPUs in MIG mode, say
                raise self.explain("processes", exc) from exc
        found = set()
        for one in running:
            instance = getattr(one, "gpuInstanceId", None)
            found.add((int(one.pid), _NO_INSTANCE if instance is None else int(instance)))
        return sorted(found)

    def reboot_asked(self) -> bool:
        """Return whether the driver says that only a reboot helps."""
        try:
            values = self.nvml.nvmlDeviceGetFieldValues(self.handle, [_FIELD_RECOVERY_ACTION])
        except self.nvml.NVMLError:
            return False
        return bool(values and values[0].nvmlReturn == 0 and int(values[0].value.uiVal) in _REBOOT_ACTIONS)


def _limit(device: Device, wanted: int | str) -> float:
    """Return the wanted power limit in watts; raise GpuConfigError if the GPU does not take it."""
    if wanted == DEFAULT:
        return device.watts("nvmlDeviceGetPowerManagementDefaultLimit")
    low, high = device.call("power_limit_watts", "nvmlDeviceGetPowerManagementLimitConstraints")
    watts = int(wanted) / 1000
    if not low <= int(wanted) <= high:
        raise GpuConfigError(
            f"power_limit_watts: {watts:g} W is out of range; this GPU allows {low / 1000:g} to {high / 1000:g} W"
        )
    return watts


def _clocks(device: Device, wanted: t.Sequence[int]) -> list[int] | None:
    """Return the wanted lock, None for no lock; raise GpuConfigError if the GPU cannot run that fast."""
    if not wanted:
        return None
    highest = device.call("locked_clocks_mhz", "nvmlDeviceGetMaxClockInfo", _GRAPHICS_CLOCK)
    if wanted[1] > highest:
        raise GpuConfigError(f"locked_clocks_mhz: {wanted[1]} MHz is out of range; this GPU allows {highest} MHz")
    return list(wanted)


def _layout(device: Device, on: bool) -> list[str]:
    return device.mig_gpu().names() if on else []


def read(device: Device, wanted: Wanted, locked: list[int] | None) -> State:
    """Return the present values of what is wanted. ECC and MIG mode are those after the next reset."""
    state: State = {}
    if wanted.persistence is not None:
        state["persistence"] = bool(device.call("persistence", "nvmlDeviceGetPersistenceMode"))
    if wanted.ecc is not None:
        state["ecc"] = device.ecc_modes()[1]
    if wanted.mig is not None:
        now, state["mig"] = device.mig_modes()
        if wanted.mig_layout is not None or not wanted.mig:
            state["mig_layout"] = _layout(device, now)
    if wanted.compute_mode is not None:
        number = int(device.call("compute_mode", "nvmlDeviceGetComputeMode"))
        state["compute_mode"] = _MODE_NAMES.get(number, str(number))
    if wanted.power_limit is not None:
        state["power_limit_watts"] = device.watts("nvmlDeviceGetPowerManagementLimit")
    if wanted.locked_clocks is not None:
        state["locked_clocks_mhz"] = locked
    return state


def _goal_layout(device: Device, wanted: Wanted, before: State) -> list[str]:
    """Return the layout as it will be called, or as it is where that is the wanted one."""
    if not wanted.mig_layout:
        return []
    now, pending_mode = device.mig_modes()
    if not now:
        # Places are told in MIG mode only, so whether all of them fit is seen when the mode is on.
        found = find(read_profiles(device.nvml, device.handle), wanted.mig_layout)
        # With a mode that waits for a reset nothing can be made, so nothing will change.
        return [] if pending_mode else [label(profile) for profile in found]
    gpu = device.mig_gpu()
    change = gpu.change(wanted.mig_layout)
    if not any(change):
        return list(before["mig_layout"])
    return [label(profile) for profile in find(gpu.profiles, wanted.mig_layout)]


def goal(device: Device, wanted: Wanted, before: State) -> State:
    """Return the values that are wanted; raise GpuConfigError if the GPU cannot hold one of them."""
    state: State = {}
    for name in ("persistence", "ecc", "mig", "compute_mode"):
        if getattr(wanted, name) is not None:
            state[name] = getattr(wanted, name)
    if "mig_layout" in before:
        state["mig_layout"] = _goal_layout(device, wanted, before)
    if wanted.power_limit is not None:
        state["power_limit_watts"] = _limit(device, wanted.power_limit)
    if wanted.locked_clocks is not None:
        state["locked_clocks_mhz"] = _clocks(device, wanted.locked_clocks)
    return state


def _in_the_way(device: Device, before: State, after: State) -> list[int]:
    """Return the processes that the change of MIG would take the GPU away from."""
    if before.get("mig") != after.get("mig"):
        return sorted({pid for pid, _instance in device.processes()})
    if before.get("mig_layout") == after.get("mig_layout") or not before.get("mig_layout"):
        return []
    doomed = {one.id for one in device.mig_gpu().change(after["mig_layout"]).destroy}
    touched = doomed | {_NO_INSTANCE} if doomed else set()
    return sorted({pid for pid, instance in device.processes() if instance in touched})


def look(device: Device, wanted: Wanted, locked: list[int] | None, root: str = "/") -> dict[str, t.Any]:
    """Return C({"before", "after", "refused"}); C(refused) are the processes in the way, with their owners."""
    before = read(device, wanted, locked)
    after = goal(device, wanted, before)
    return {
        "before": before,
        "after": after,
        "refused": [whose(pid, root) for pid in _in_the_way(device, before, after)],
    }


def _same(device: Device, setting: str, wanted: t.Any, kept: t.Any) -> None:
    if kept != wanted:
        raise GpuConfigError(f"{setting}: the driver took {wanted!r} and reads back {kept!r}")


def _set_mig(device: Device, before: State, after: State, progress: Progress) -> None:
    """Change mode and layout. A mode that is only pending leaves the layout for the run after the reset."""
    on, _pending = device.mig_modes()
    try:
        if before.get("mig_layout") and not after["mig"] and on:
            gpu = device.mig_gpu()
            gpu.apply(gpu.change(()), progress)
        if before["mig"] != after["mig"]:
            progress("setting MIG mode")
            device.call("mig", "nvmlDeviceSetMigMode", int(after["mig"]))
        on, pending = device.mig_modes()
        _same(device, "mig", after["mig"], pending)
        if after["mig"] and on and "mig_layout" in after:
            gpu = device.mig_gpu()
            change = gpu.change(after["mig_layout"])
            gpu.apply(change, progress)
            left = device.mig_gpu().change(after["mig_layout"])
            if any(left):
                raise GpuConfigError(f"mig_layout: the GPU reads back {', '.join(_layout(device, True)) or 'nothing'}")
    except device.nvml.NVMLError as exc:
        raise device.explain("mig_layout", exc) from exc


def bring(device: Device, wanted: Wanted, locked: list[int] | None, progress: Progress) -> dict[str, t.Any]:
    """Set what differs and return C({"state", "reset_needed", "reboot_needed"}), read from the driver."""
    before = read(device, wanted, locked)
    after = goal(device, wanted, before)
    if before.get("persistence") != after.get("persistence"):
        progress("setting persistence")
        device.call("persistence", "nvmlDeviceSetPersistenceMode", int(after["persistence"]))
    if before.get("ecc") != after.get("ecc"):
        progress("setting ECC")
        device.call("ecc", "nvmlDeviceSetEccMode", int(after["ecc"]))
    if "mig" in after:
        _set_mig(device, before, after, progress)
    if before.get("compute_mode") != after.get("compute_mode"):
        progress("setting the compute mode")
        device.call("compute_mode", "nvmlDeviceSetComputeMode", COMPUTE_MODES[after["compute_mode"]])
    if "power_limit_watts" in after:
        limit = device.watts("nvmlDeviceGetPowerManagementLimit")
        if limit != after["power_limit_watts"]:
            progress("setting the power limit")
            device.call(
                "power_limit_watts", "nvmlDeviceSetPowerManagementLimit", round(after["power_limit_watts"] * 1000)
            )
    if "locked_clocks_mhz" in after:
        # Always, since a reset of the GPU drops the lock and nothing tells.
        progress("setting the clocks")
        if after["locked_clocks_mhz"]:
            device.call("locked_clocks_mhz", "nvmlDeviceSetGpuLockedClocks", *after["locked_clocks_mhz"])
        else:
            device.call("locked_clocks_mhz", "nvmlDeviceResetGpuLockedClocks")
    progress("reading the settings back")
    state = read(device, wanted, after.get("locked_clocks_mhz"))
    for name in ("persistence", "ecc", "compute_mode", "power_limit_watts"):
        if name in after:
            _same(device, name, after[name], state[name])
    return {"state": state, **pending(device, wanted)}


def pending(device: Device, wanted: Wanted) -> dict[str, bool]:
    """Return whether ECC or MIG mode waits for a reset of the GPU, or, where the driver says so, for a reboot."""
    waits = wanted.ecc is not None and len(set(device.ecc_modes())) > 1
    waits = waits or (wanted.mig is not None and len(set(device.mig_modes())) > 1)
    reboot = waits and device.reboot_asked()
    return {"reset_needed": waits and not reboot, "reboot_needed": reboot}
