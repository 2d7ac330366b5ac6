# Stands in for nvidia-ml-py: GPU 0 is healthy, GPU 1 is lost, GPU 2 is used by a process.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(f"NVML error {value}")
        self.value = value


def _not_supported(*arguments):
    raise NVMLError(3)


def __getattr__(name):
    if not name.startswith("nvml"):
        raise AttributeError(name)
    return _not_supported


def nvmlInit():
    pass


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return 3


def nvmlDeviceGetHandleByIndex(index):
    if index == 1:
        raise NVMLError(15)
    return index


def nvmlDeviceGetPciInfo(handle):
    return SimpleNamespace(busId=f"00000000:{0x1B + handle:02X}:00.0")


def nvmlDeviceGetName(handle):
    return "NVIDIA H100 80GB HBM3"


def nvmlDeviceGetComputeRunningProcesses(handle):
    return [SimpleNamespace(pid=4242)] if handle == 2 else []
