# Reads, destroys and makes the MIG instances of one GPU through NVML.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import typing as t

from .._errors import GpuConfigError
from .._hardware.nvml_ask import FUNCTION_NOT_FOUND, INVALID_ARGUMENT, NOT_SUPPORTED, text
from .mig_layout import Change, Instance, Profile, change, find, label

# Numbers of profiles that are asked for; a driver answers those that it does not have with "not supported".
_GPU_PROFILES = 32
_COMPUTE_PROFILES = 16
# More than any GPU has.
_MAX_INSTANCES = 16
_UNKNOWN = (NOT_SUPPORTED, INVALID_ARGUMENT)
_SHARED_ENGINES = 0


def _gpu_profile(nvml: t.Any, handle: t.Any, number: int) -> t.Any | None:
    """Return what NVML says about a profile, None if the GPU does not have it."""
    for version in (2, 1):
        try:
            return nvml.nvmlDeviceGetGpuInstanceProfileInfo(handle, number, version)
        except nvml.NVMLError as exc:
            if exc.value in _UNKNOWN:
                return None
            if exc.value != FUNCTION_NOT_FOUND or version == 1:
                raise
    return None


def _name(info: t.Any) -> str | None:
    """Return V(3g.40gb); older drivers tell no names."""
    name = str(text(getattr(info, "name", b"")) or "")
    return name[4:] if name.startswith("MIG ") else name or None


def _placements(nvml: t.Any, handle: t.Any, profile: int) -> list[tuple[int, int]]:
    """Return (first place, places) of each place of a profile; empty while MIG is off."""
    array = (nvml.c_nvmlGpuInstancePlacement_t * _MAX_INSTANCES)()
    count = ctypes.c_uint(_MAX_INSTANCES)
    try:
        nvml.nvmlDeviceGetGpuInstancePossiblePlacements(handle, profile, array, ctypes.byref(count))
    except nvml.NVMLError as exc:
        if exc.value in _UNKNOWN:
            return []
        raise
    return [(int(place.start), int(place.size)) for place in array[: count.value]]


def read_profiles(nvml: t.Any, handle: t.Any) -> list[Profile]:
    """Return the profiles of the GPU. While MIG is off they have no places."""
    found = []
    for number in range(_GPU_PROFILES):
        info = _gpu_profile(nvml, handle, number)
        if info is not None:
            places = _placements(nvml, handle, info.id)
            size = places[0][1] if places else 0
            starts = tuple(start for start, _size in places)
            found.append(Profile(int(info.id), _name(info), int(info.sliceCount), size, starts))
    return found


def _compute_profiles(nvml: t.Any, instance: t.Any) -> list[tuple[int, int]]:
    """Return (id, slices) of the compute profiles of a GPU instance."""
    found = []
    for number in range(_COMPUTE_PROFILES):
        for version in (2, 1):
            try:
                info = nvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, number, _SHARED_ENGINES, version)
            except nvml.NVMLError as exc:
                if exc.value == FUNCTION_NOT_FOUND and version == 2:
                    continue
                if exc.value not in _UNKNOWN:
                    raise
            else:
                found.append((int(info.id), int(info.sliceCount)))
            break
    return found


def _computes(nvml: t.Any, instance: t.Any) -> list[tuple[int, t.Any]]:
    """Return (slices, handle) of the compute instances of a GPU instance."""
    found = []
    for profile, slices in _compute_profiles(nvml, instance):
        array = (nvml.c_nvmlComputeInstance_t * _MAX_INSTANCES)()
        count = ctypes.c_uint(_MAX_INSTANCES)
        nvml.nvmlGpuInstanceGetComputeInstances(instance, profile, array, ctypes.byref(count))
        found += [(slices, array[place]) for place in range(count.value)]
    return found


class MigGpu:
    """The instances of one GPU in MIG mode, and their handles."""

    def __init__(self, nvml: t.Any, handle: t.Any) -> None:
        self._nvml = nvml
        self._handle = handle
        self.profiles = read_profiles(nvml, handle)
        self._handles: dict[int, t.Any] = {}
        self.instances: list[Instance] = []
        for profile in self.profiles:
            array = (nvml.c_nvmlGpuInstance_t * _MAX_INSTANCES)()
            count = ctypes.c_uint(_MAX_INSTANCES)
            nvml.nvmlDeviceGetGpuInstances(handle, profile.id, array, ctypes.byref(count))
            for place in range(count.value):
                self._add(array[place], profile)
        self.instances.sort()

    def _add(self, handle: t.Any, profile: Profile) -> None:
        info = self._nvml.nvmlGpuInstanceGetInfo(handle)
        slices = [found for found, _handle in _computes(self._nvml, handle)]
        compute = "none" if not slices else "whole" if slices == [profile.slices] else "other"
        placement = info.placement
        one = Instance(int(info.id), profile.id, int(placement.start), int(placement.size), compute)
        self._handles[one.id] = handle
        self.instances.append(one)

    def names(self) -> list[str]:
        """Return the layout as it is, largest first; a GPU instance that is not whole is marked."""
        by_id = {profile.id: profile for profile in self.profiles}
        ordered = sorted(self.instances, key=lambda one: (-one.size, -by_id[one.profile].slices, one.profile, one.id))
        marks = {"whole": "", "none": " without compute instance", "other": " with other compute instances"}
        return [label(by_id[one.profile]) + marks[one.compute] for one in ordered]

    def change(self, wanted: t.Sequence[str]) -> Change:
        """Return what turns the layout into the wanted one."""
        return change(self.instances, find(self.profiles, wanted))

    def destroy(self, instance: Instance) -> None:
        """Destroy an instance with its compute instances."""
        handle = self._handles[instance.id]
        for _slices, compute in _computes(self._nvml, handle):
            self._nvml.nvmlComputeInstanceDestroy(compute)
        self._nvml.nvmlGpuInstanceDestroy(handle)

    def complete(self, handle: t.Any, slices: int) -> None:
        """Make the compute instance that is as large as its GPU instance."""
        for profile, size in _compute_profiles(self._nvml, handle):
            if size == slices:
                self._nvml.nvmlGpuInstanceCreateComputeInstance(handle, profile)
                return
        raise GpuConfigError(f"mig_layout: the driver has no compute instance of {slices} slices")

    def apply(self, todo: Change, progress: t.Callable[[str], None]) -> None:
        """Do it. What was done stays when a later step fails; the next run goes on from there."""
        slices = {profile.id: profile.slices for profile in self.profiles}
        for one in todo.destroy:
            progress(f"destroying MIG instance {one.id}")
            self.destroy(one)
        for one in todo.complete:
            progress(f"completing MIG instance {one.id}")
            self.complete(self._handles[one.id], slices[one.profile])
        for profile, start in todo.create:
            progress(f"making a MIG instance {label(profile)}")
            placement = self._nvml.c_nvmlGpuInstancePlacement_t(start, profile.size)
            made = self._nvml.nvmlDeviceCreateGpuInstanceWithPlacement(
                self._handle, profile.id, ctypes.byref(placement)
            )
            self.complete(made, profile.slices)
