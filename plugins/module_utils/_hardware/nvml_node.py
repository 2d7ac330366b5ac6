# Reads the NVIDIA GPUs of the node this runs on, safely against a driver that is absent, broken or hanging.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ties the pieces together: driver library, nvidia-ml-py, reader, child processes."""

from __future__ import annotations

import sys
import typing as t

from .child import ChildFailed, ChildTimeout, Progress
from .device_reads import Keep, Reads, read_devices
from .gpu_errors import DriverBroken, ReadError
from .gpu_keys import Gpu, empty_gpu
from .nvml_reader import absent, answer_of, is_absence, library_problem, scan
from .pci import kernel_address
from .proc_gpus import read_proc_gpus
from .sysfs import below, read_lines, read_number

# Fifteen instances with eight parts each of 64 GPUs, one a line.
_MINORS_BYTES = 1024 * 1024


def _read(progress: Progress, keep: Keep, only: int | None) -> dict[str, t.Any] | None:
    progress("loading the driver library")
    # The library is looked for first: without a driver the answer does not depend on a Python package being there.
    problem = library_problem()
    if problem is not None:
        if is_absence(problem):
            return absent("the driver library libnvidia-ml.so.1 is not installed")
        raise DriverBroken(f"the driver library libnvidia-ml.so.1 is there but does not load: {problem}")
    import pynvml  # not at the top: a node without a GPU does not have it

    return scan(pynvml, progress, keep, only)


def _readings(reads: Reads) -> t.Iterator[dict[str, t.Any]]:
    """Return a reading of each GPU; one that hung, or whose reader died, has that as its error."""
    for index, found in enumerate(reads.readings):
        reading = found or {"index": index, "gpu": empty_gpu("nvidia", index), "failures": {}}
        if index in reads.problems:
            reading["gpu"]["error"] = reads.problems[index]
        yield reading


def _place(gpu: Gpu, root: str) -> None:
    """Give a GPU the NUMA node that the kernel knows; it knows that of a GPU that NVML cannot reach, too."""
    if gpu["pci_bus_id"] is not None:
        node = read_number(below(root, "sys/bus/pci/devices", kernel_address(gpu["pci_bus_id"]), "numa_node"))
        gpu["numa_node"] = gpu["numa_node"] if node is None else node


def _mig_minors(root: str) -> dict[str, int]:
    """Return C(gpu0/gi1/access) and C(gpu0/gi1/ci0/access), GPUs by minor number, and the numbers of their files."""
    found = {}
    for line in read_lines(below(root, "proc/driver/nvidia-caps/mig-minors"), _MINORS_BYTES) or ():
        name, _blank, number = line.partition(" ")
        if number.isdigit():
            found[name] = int(number)
    return found


def _name_mig_files(gpus: t.Iterable[Gpu], root: str) -> None:
    """Give MIG devices the numbers of their files, which NVML does not tell."""
    divided = [gpu for gpu in gpus if gpu.get("mig_devices")]
    minors = _mig_minors(root) if divided else {}
    for gpu in divided:
        for device in gpu["mig_devices"]:
            instance = "gpu{}/gi{}".format(gpu["minor_number"], device["gpu_instance"])
            names = (f"{instance}/access", "{}/ci{}/access".format(instance, device["compute_instance"]))
            numbers = [minors[name] for name in names if name in minors]
            if len(numbers) == len(names):
                device["device_minors"] = numbers


def read_this_node(root: str, timeout: float) -> dict[str, t.Any]:
    """Return the NVIDIA part of the answer of the module gpu_info within C(timeout) seconds; raise ReadError."""
    try:
        reads = read_devices(_read, timeout)
    except ChildTimeout as exc:
        raise ReadError(
            f"the NVIDIA driver hangs: {exc}. Look at the kernel log of the node; it may need a reboot"
        ) from exc
    except ChildFailed as exc:
        if exc.kind != "ModuleNotFoundError":
            raise ReadError(str(exc)) from exc
        raise ReadError(
            f"the Python package nvidia-ml-py is missing for {sys.executable}: "
            "run this task with the interpreter that the role aidc.ops.gpu_node "
            "installs (ansible_python_interpreter: /opt/aidc_ops/node/bin/python), or install the package"
        ) from exc
    if reads.answer is not None:
        return dict(reads.answer)
    answer = answer_of(reads.head, _readings(reads), read_proc_gpus(root))
    for gpu in answer["gpus"]:
        _place(gpu, root)
    _name_mig_files(answer["gpus"], root)
    return answer
