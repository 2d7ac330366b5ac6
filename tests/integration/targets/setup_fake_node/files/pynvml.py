# Stands in for nvidia-ml-py: GPU 0 is healthy, GPU 1 is lost, GPU 2 is used by a process.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

# What was set: every child process of a module begins anew. One file for each GPU, as there is one child for each.
_SETTINGS = Path(__file__).parent


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


def nvmlDeviceGetUUID(handle):
    return f"GPU-{handle}"


def nvmlDeviceGetHandleByUUID(uuid):
    return int(uuid[4:])


def _setting(handle, name, value=None):
    path = _SETTINGS / f"settings-{handle}.json"
    settings = json.loads(path.read_text()) if path.exists() else {}
    if value is not None:
        settings[name] = value
        path.write_text(json.dumps(settings))
    return settings.get(name)


def nvmlDeviceGetPersistenceMode(handle):
    return _setting(handle, "persistence") or 0


def nvmlDeviceSetPersistenceMode(handle, mode):
    _setting(handle, "persistence", mode)


def nvmlDeviceGetPowerManagementLimitConstraints(handle):
    return 200000, 700000


def nvmlDeviceGetPowerManagementLimit(handle):
    return _setting(handle, "power") or 700000


def nvmlDeviceSetPowerManagementLimit(handle, milliwatts):
    _setting(handle, "power", milliwatts)


def nvmlDeviceGetGraphicsRunningProcesses(handle):
    return []


def nvmlDeviceGetMigMode(handle):
    return 0, 0
