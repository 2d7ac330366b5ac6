# Reads the GPUs of the node this runs on, safely against a driver that is absent, broken or hanging.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ties the pieces together: driver library, nvidia-ml-py, reader, child process."""

from __future__ import annotations

import sys
import typing as t

from .child import ChildFailed, ChildTimeout, call_bounded
from .nvml_reader import DriverBroken, absent, is_absence, library_problem, read_node
from .proc_gpus import read_proc_gpus


class ReadError(Exception):
    """The GPUs cannot be read although there should be some; the message says why and what to do."""


def _read(root: str, progress: t.Callable[[str], None]) -> dict[str, t.Any]:
    progress("loading the driver library")
    # The library is looked for first: without a driver the answer does not depend on a Python package being there.
    problem = library_problem()
    if problem is not None:
        if is_absence(problem):
            return absent("the driver library libnvidia-ml.so.1 is not installed")
        raise DriverBroken(f"the driver library libnvidia-ml.so.1 is there but does not load: {problem}")
    import pynvml  # not at the top: a node without a GPU does not have it

    return read_node(pynvml, read_proc_gpus(root), progress)


def read_this_node(root: str, timeout: float) -> dict[str, t.Any]:
    """Return the answer of the module gpu_info within C(timeout) seconds; raise ReadError."""
    try:
        return dict(call_bounded(lambda progress: _read(root, progress), timeout))
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
