#!/usr/bin/python
# Module: resets a GPU, or its whole NVLink group, once per attempt, if nothing uses it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_reset
version_added: 0.1.0
short_description: Reset a GPU, at most once per attempt
description:
  - Resets a GPU with C(nvidia-smi --gpu-reset), alone or with all GPUs of its NVLink group, and refuses while a
    process uses one of them.
  - Safe to repeat after the caller was killed at any point. A marker on the node remembers the attempt O(token) and
    its outcome; a repetition reports that outcome and resets nothing.
  - Power limits, clocks and persistence mode may have to be set again after a reset.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - nvidia-smi and nvidia-ml-py on the node
options:
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  device:
    description: Device identity of the GPU, as RV(aidc.ops.gpu_info#module:gpus[].device) reports it.
    type: str
    required: true
  scope:
    description:
      - V(device) resets this GPU alone.
      - V(nvlink_group) resets it together with all GPUs that NVLink joins to it, in one call, which is what errors of
        the links and switches need.
    type: str
    choices: [device, nvlink_group]
    default: device
  timeout:
    description: Seconds after which a reset that does not end is given up.
    type: int
    default: 120
  state_dir:
    description: Directory of the markers. It must survive a reboot.
    type: path
    default: /var/lib/aidc_ops/attempts
seealso:
  - module: aidc.ops.gpu_info
"""

EXAMPLES = r"""
- name: Reset a GPU
  aidc.ops.gpu_reset:
    token: aidc.ops:17:reset:1
    device: gpu:0000:1b:00
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true

- name: Reset all GPUs that NVLink joins to it
  aidc.ops.gpu_reset:
    token: aidc.ops:17:reset_group:1
    device: gpu:0000:1b:00
    scope: nvlink_group
  vars:
    ansible_python_interpreter: /opt/aidc_ops/node/bin/python
  become: true
"""

RETURN = r"""
reset:
  description: Whether the reset of this attempt was made and succeeded.
  returned: always
  type: bool
in_progress:
  description: Whether the reset of this attempt was begun and its outcome is not known (yet).
  returned: always
  type: bool
rc:
  description: Exit status of nvidia-smi.
  returned: when it has ended
  type: int
stdout:
  description: What nvidia-smi wrote.
  returned: always
  type: str
stderr:
  description: What nvidia-smi wrote as errors.
  returned: always
  type: str
processes:
  description: The processes that use the GPU, where that is the reason for refusing.
  returned: when refused
  type: list
  elements: int
devices:
  description: The GPUs that were reset or would be, in the order of the node.
  returned: when they are known
  type: list
  elements: str
refused:
  description:
    - Whether it failed because something uses a GPU. Another reset will not help then; a stronger action will.
  returned: always
  type: bool
holders:
  description:
    - The processes that hold a GPU open, where that is the reason for refusing. Services that only watch GPUs are
      among them, other than in RV(processes).
  returned: always
  type: list
  elements: dict
  contains:
    pid: {description: Process number., type: int}
    name: {description: Its name., type: str}
    unit: {description: The systemd unit that it belongs to; null if none., type: str}
"""

import re
import subprocess
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware import attempts
from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import ChildFailed, ChildTimeout, call_bounded
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_node import ReadError, read_this_node
from ansible_collections.aidc.ops.plugins.module_utils._hardware.pci import nvml_address_from_device
from ansible_collections.aidc.ops.plugins.module_utils._repair.holders import gpu_holders
from ansible_collections.aidc.ops.plugins.module_utils._repair.nvlink_group import nvlink_group

# What nvidia-smi says of a GPU that is held open, by a service too; it lists each such GPU.
_IN_USE = re.compile(r"in use by another client|being used by one or more other processes", re.IGNORECASE)
# Reading the processes takes well under a second on a healthy driver.
_READ_SECONDS = 30


class Refused(Exception):
    """The reset must not be made now; C(processes) are those in the way."""

    def __init__(self, message: str, processes: list[int]) -> None:
        super().__init__(message)
        self.processes = processes


def check_unused(answer: t.Mapping[str, t.Any], device: str) -> None:
    """Raise Refused unless the node has the GPU and no process is known to use it.

    A GPU in need of a reset may not tell its processes any more; then the driver itself, which also refuses, has the
    last word.
    """
    found = [gpu for gpu in answer["gpus"] if gpu["device"] == device]
    if not found:
        known = ", ".join(sorted(str(gpu["device"]) for gpu in answer["gpus"])) or "none ({})".format(answer["reason"])
        raise Refused(f"the node has no GPU {device}; it has: {known}", [])
    processes = found[0]["processes"] or []
    if processes:
        raise Refused(
            "processes use the GPU {}, drain the node first: {}".format(device, ", ".join(map(str, processes))),
            processes,
        )


def choose(answer: t.Mapping[str, t.Any], device: str, scope: str) -> list[str]:
    """Return the GPUs to reset, none of them in use; Refused if there is no such GPU or group, or if it is in use."""
    check_unused(answer, device)
    if scope == "device":
        return [device]
    group = nvlink_group(answer["gpus"], device)
    if len(group) < 2:
        raise Refused(f"the GPU {device} has no NVLink to another one; reset it with scope: device", [])
    for member in group:
        check_unused(answer, member)
    return group


def run_reset(command: list[str], timeout: int) -> dict[str, t.Any]:
    """Return C({"rc", "stdout", "stderr"}) of the command; a command that does not end in time has rc null."""

    def run(_progress: t.Callable[[str], None]) -> dict[str, t.Any]:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
        return {
            "rc": done.returncode,
            "stdout": done.stdout.decode(errors="replace"),
            "stderr": done.stderr.decode(errors="replace"),
        }

    try:
        return dict(call_bounded(run, timeout + 5))
    except (ChildTimeout, ChildFailed) as exc:
        return {"rc": None, "stdout": "", "stderr": f"the reset did not end within {timeout} seconds: {exc}"}


def _report(module: AnsibleModule, changed: bool, marker: t.Mapping[str, t.Any]) -> None:
    """Answer with what the marker says about the attempt."""
    outcome = {
        "stdout": marker.get("stdout", ""),
        "stderr": marker.get("stderr", ""),
        "devices": marker.get("devices", [module.params["device"]]),
        "refused": bool(marker.get("refused")),
        "holders": marker.get("holders", []),
    }
    finished = marker.get("finished_at") is not None
    if marker.get("rc") is not None:
        # Only then: Ansible takes any other value than 0 for a failure.
        outcome["rc"] = marker["rc"]
    if finished and marker.get("rc") != 0:
        text = outcome["stderr"] or outcome["stdout"]
        module.fail_json(
            msg=f"the reset of {module.params['device']} failed: {text}", reset=False, in_progress=False, **outcome
        )
    module.exit_json(changed=changed, reset=finished, in_progress=not finished, **outcome)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "token": {"type": "str", "required": True, "no_log": False},
            "device": {"type": "str", "required": True},
            "scope": {"type": "str", "choices": ["device", "nvlink_group"], "default": "device"},
            "timeout": {"type": "int", "default": 120},
            "state_dir": {"type": "path", "default": "/var/lib/aidc_ops/attempts"},
        },
        supports_check_mode=True,
    )
    token, device, timeout = (module.params[name] for name in ("token", "device", "timeout"))
    nothing: dict[str, t.Any] = {"reset": False, "in_progress": False, "stdout": "", "stderr": ""}
    nothing.update(refused=False, holders=[])
    if timeout < 1:
        module.fail_json(msg=f"timeout must be at least 1 second, not {timeout}", **nothing)
    try:
        nvml_address_from_device(device)
        path = attempts.marker_path(module.params["state_dir"], "gpu_reset", token)
        marker = attempts.read(path)
        if marker is not None:
            _report(module, False, marker)
        devices = choose(read_this_node("/", _READ_SECONDS), device, module.params["scope"])
        addresses = ",".join(map(nvml_address_from_device, devices))
        command = [module.get_bin_path("nvidia-smi", required=True), "--gpu-reset", "-i", addresses]
        if module.check_mode:
            module.exit_json(changed=True, devices=devices, **nothing)
        begun = {"token": token, "device": device, "devices": devices, "started_at": time.time()}
        if not attempts.begin(path, begun):
            _report(module, False, attempts.read(path) or {})
        outcome = dict(begun, **run_reset(command, timeout), finished_at=time.time())
        if outcome["rc"] != 0 and _IN_USE.search(outcome["stdout"] + outcome["stderr"]):
            outcome.update(refused=True, holders=gpu_holders())
        attempts.finish(path, outcome)
        _report(module, True, outcome)
    except Refused as exc:
        # A GPU that is not there is no reason to try harder.
        nothing.update(refused=bool(exc.processes), holders=gpu_holders() if exc.processes else [])
        module.fail_json(msg=f"the GPU was not reset: {exc}", processes=exc.processes, **nothing)
    except (attempts.AttemptError, ReadError, ValueError, OSError) as exc:
        module.fail_json(msg=f"the GPU was not reset: {exc}", **nothing)


if __name__ == "__main__":
    main()
