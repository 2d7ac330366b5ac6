#!/usr/bin/python
# Module: unloads the NVIDIA kernel driver and loads it again, once per attempt, if nothing uses a GPU.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_driver
version_added: 0.1.0
short_description: Reload the NVIDIA kernel driver, at most once per attempt
description:
  - Stops the units that hold GPUs open, unloads the kernel modules of the driver, loads them again, checks the version
    and starts the units again, in reverse order, also after a failure.
  - Refuses while any other process holds a GPU open, and names it. Nothing is stopped then.
  - Safe to repeat after the caller was killed at any point. A marker on the node remembers the attempt O(token) and
    its outcome; a repetition reports that outcome. Where the earlier call died in the middle, the repetition loads the
    driver and starts the units, and then fails, because nobody knows whether the driver had been reloaded.
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
  - modprobe and systemctl on the node
options:
  state:
    description: V(reloaded) unloads the driver and loads it again.
    type: str
    choices: [reloaded]
    default: reloaded
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  units:
    description:
      - The systemd units that hold GPUs open, in the order in which they are stopped, such as exporters, DCGM, the
        fabric manager and the persistence daemon.
      - Only those that run are stopped, and only those are started again.
    type: list
    elements: str
    default: []
  modules:
    description: The kernel modules of the driver, each before those that it uses. Only loaded ones are unloaded.
    type: list
    elements: str
    default: [nvidia_drm, nvidia_modeset, nvidia_uvm, nvidia_peermem, nvidia]
  expected_version:
    description: Version that the loaded driver must have at the end. By default any will do.
    type: str
  timeout:
    description: Seconds after which a command that does not end is given up.
    type: int
    default: 120
  root:
    description: Directory in front of C(/proc) and C(/sys), for nodes whose hardware tree is mounted elsewhere.
    type: path
    default: /
  state_dir:
    description: Directory of the markers. It must survive a reboot.
    type: path
    default: /var/lib/aidc_ops/attempts
seealso:
  - module: aidc.ops.gpu_info
  - module: aidc.ops.gpu_reset
"""

EXAMPLES = r"""
- name: Reload the driver after an update
  aidc.ops.gpu_driver:
    token: aidc.ops:17:reload_driver:1
    units:
      - aidc_ops_gpu_exporter.service
      - nvidia-dcgm.service
      - nvidia-fabricmanager.service
      - nvidia-persistenced.service
    expected_version: 580.95.05
  become: true
"""

RETURN = r"""
reloaded:
  description: Whether the driver was reloaded in this attempt.
  returned: always
  type: bool
in_progress:
  description: Whether another call still works on this attempt.
  returned: always
  type: bool
refused:
  description: Whether it failed because something uses the driver, so that a stronger action is needed.
  returned: always
  type: bool
holders:
  description: The processes that hold a GPU open, where that is the reason.
  returned: always
  type: list
  elements: dict
  contains:
    pid: {description: Process number., type: int}
    name: {description: Its name., type: str}
    unit: {description: The systemd unit that it belongs to; null if none., type: str}
modules:
  description: The kernel modules that were unloaded (in check mode, that would be), in order.
  returned: always
  type: list
  elements: str
units:
  description: The units that were stopped and started again (in check mode, that would be), in the order of stopping.
  returned: always
  type: list
  elements: str
units_failed:
  description: Those that did not start again.
  returned: always
  type: list
  elements: str
version_before:
  description: Version of the driver that was found; null if none was loaded.
  returned: always
  type: str
version:
  description: Version of the driver at the end; null if none is loaded.
  returned: always
  type: str
"""

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.attempts import AttemptError
from ansible_collections.aidc.ops.plugins.module_utils._repair import attempt as attempts
from ansible_collections.aidc.ops.plugins.module_utils._repair.holders import gpu_holders, holders_text
from ansible_collections.aidc.ops.plugins.module_utils._repair.kernel_modules import (
    NVIDIA_MODULES,
    loaded_modules,
    module_version,
    strangers,
)
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result, run

# Both become arguments of programs; neither may look like an option.
_MODULE = re.compile(r"^[A-Za-z0-9_]{1,64}\Z")
_UNIT = re.compile(r"^[A-Za-z0-9@_:\\][A-Za-z0-9@_:.\\-]{0,250}\Z")


class Failed(Exception):
    """The driver was not reloaded; C(facts) go into the answer."""

    def __init__(self, message: str, **facts: t.Any) -> None:
        super().__init__(message)
        self.facts = facts


class Driver:
    """The driver of this node and the units that use it."""

    def __init__(self, params: t.Mapping[str, t.Any], programs: t.Mapping[str, str]) -> None:
        self.modules: list[str] = params["modules"]
        self.units: list[str] = params["units"]
        self._root = params["root"]
        self._timeout = params["timeout"]
        self._programs = programs

    def version(self) -> str | None:
        return module_version(self.modules[-1], self._root)

    def loaded(self) -> list[str]:
        """The driver's modules that are loaded, in the order of unloading; Failed if another module uses them."""
        found = loaded_modules(self._root)
        others = strangers(self.modules, found)
        if others:
            raise Failed(f"other kernel modules use the driver: {', '.join(others)}", refused=True)
        return [name for name in self.modules if name in found]

    def active_units(self) -> list[str]:
        """The units that run, in the order of stopping."""
        return [unit for unit in self.units if self._run("systemctl", "is-active", "--quiet", unit).rc == 0]

    def refuse_holders(self, stopping: t.Sequence[str] = ()) -> None:
        """Failed if a process holds a GPU open, unless it ends with one of the units that are going to be stopped."""
        names = {unit if "." in unit else f"{unit}.service" for unit in stopping}
        holders = [holder for holder in gpu_holders(self._root) if holder["unit"] not in names]
        if holders:
            raise Failed(f"processes hold GPUs open: {holders_text(holders)}", refused=True, holders=holders)

    def stop(self, units: t.Sequence[str]) -> None:
        for unit in units:
            self._must("systemctl", "stop", unit)

    def start(self, units: t.Sequence[str]) -> list[str]:
        """Start the units, the last stopped one first; return those that did not start."""
        failed = []
        for unit in reversed(units):
            try:
                self._must("systemctl", "start", unit)
            except (Failed, CommandError):
                failed.append(unit)
        return failed

    def unload(self, names: t.Sequence[str]) -> None:
        """Unload the modules in order. One that went along with an earlier one is gone already."""
        for name in names:
            if name in loaded_modules(self._root):
                try:
                    self._must("modprobe", "-r", name)
                except Failed as exc:
                    raise Failed(str(exc), refused="in use" in str(exc), holders=gpu_holders(self._root)) from exc

    def load(self, names: t.Sequence[str]) -> None:
        """Load the modules, the last unloaded one first, and the driver itself in any case."""
        for name in dict.fromkeys([self.modules[-1], *reversed(names)]):
            self._must("modprobe", name)

    def _run(self, program: str, *arguments: str) -> Result:
        return run([self._programs[program], *arguments], self._timeout)

    def _must(self, program: str, *arguments: str) -> None:
        done = self._run(program, *arguments)
        if done.rc != 0:
            said = (done.stderr or done.stdout).strip() or f"exit status {done.rc}"
            raise Failed(f"{program} {' '.join(arguments)}: {said}")


def reload(driver: Driver, names: t.Sequence[str], units: t.Sequence[str]) -> None:
    """Stop, unload, load; the units are the caller's to start again. Failed or CommandError if a step fails."""
    driver.stop(units)
    driver.refuse_holders()
    try:
        driver.unload(names)
    finally:
        # Also what could not be unloaded leaves a part of the driver behind.
        driver.load(names)


def check_version(driver: Driver, expected: str | None) -> None:
    found = driver.version()
    if found is None:
        raise Failed("the driver is not loaded")
    if expected is not None and found != expected:
        raise Failed(f"the loaded driver has version {found}, not {expected}: its package is another one")


def work(driver: Driver, names: list[str], units: list[str], expected: str | None) -> dict[str, t.Any]:
    """Reload the driver and return the outcome, with C(problem) where something failed."""
    outcome: dict[str, t.Any] = {"problem": None, "refused": False, "holders": [], "reloaded": False}
    try:
        reload(driver, names, units)
        outcome["reloaded"] = True
        check_version(driver, expected)
    except Failed as exc:
        outcome.update(exc.facts, problem=str(exc))
    except (CommandError, OSError) as exc:
        outcome["problem"] = str(exc)
    outcome["units_failed"] = driver.start(units)
    if outcome["units_failed"] and outcome["problem"] is None:
        outcome["problem"] = f"units did not start again: {', '.join(outcome['units_failed'])}"
    outcome["version"] = driver.version()
    return outcome


def mend(driver: Driver, marker: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Bring back what an attempt that died had taken away; return its outcome."""
    problem = "an earlier call of this attempt ended before its outcome was known; driver and units were started again"
    outcome: dict[str, t.Any] = {"reloaded": False, "refused": False, "holders": []}
    try:
        driver.load(marker.get("modules") or [])
    except (Failed, CommandError) as exc:
        problem = f"an earlier call of this attempt died, and the driver cannot be loaded: {exc}"
    outcome["units_failed"] = driver.start(marker.get("units") or [])
    return dict(outcome, problem=problem, version=driver.version())


def _answer(module: AnsibleModule, changed: bool, marker: t.Mapping[str, t.Any]) -> None:
    """Answer with what the marker tells."""
    names = ("reloaded", "refused", "holders", "modules", "units", "units_failed", "version_before", "version")
    answer = {name: marker.get(name) for name in names}
    if marker.get("problem"):
        module.fail_json(msg=f"the driver: {marker['problem']}", in_progress=False, **answer)
    module.exit_json(changed=changed, in_progress=False, **answer)


def _mistake(params: t.Mapping[str, t.Any]) -> str | None:
    if params["timeout"] < 1:
        return f"timeout must be at least 1 second, not {params['timeout']}"
    if not params["modules"]:
        return "modules must name at least one kernel module"
    for name in params["modules"]:
        if not _MODULE.match(name):
            return f"not the name of a kernel module: {name[:100]!r}"
    for name in params["units"]:
        if not _UNIT.match(name):
            return f"not the name of a systemd unit: {name[:100]!r}"
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **attempts.OPTIONS,
            "state": {"type": "str", "choices": ["reloaded"], "default": "reloaded"},
            "units": {"type": "list", "elements": "str", "default": []},
            "modules": {"type": "list", "elements": "str", "default": list(NVIDIA_MODULES)},
            "expected_version": {"type": "str"},
            "timeout": {"type": "int", "default": 120},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    nothing: dict[str, t.Any] = {"reloaded": False, "in_progress": False, "refused": False, "holders": []}
    nothing.update(modules=[], units=[], units_failed=[], version_before=None, version=None)
    wrong = _mistake(params)
    if wrong:
        module.fail_json(msg=wrong, **nothing)
    try:
        with attempts.Attempt(params["state_dir"], "gpu_driver", params["token"]) as attempt:
            marker = attempt.earlier()
            if marker is not None and attempts.finished(marker):
                _answer(module, False, marker)
            programs = {name: module.get_bin_path(name, required=True) for name in ("modprobe", "systemctl")}
            driver = Driver(params, programs)
            facts: dict[str, t.Any] = {}
            if marker is None:
                facts = {"modules": driver.loaded(), "units": driver.active_units(), "version_before": driver.version()}
                nothing.update(facts, version=facts["version_before"])
                driver.refuse_holders(stopping=facts["units"])
            if module.check_mode:
                module.exit_json(changed=True, **nothing)
            if not attempt.take():
                module.exit_json(changed=False, **{**nothing, "in_progress": True})
            if marker is None and attempt.begin(**facts):
                done = work(driver, facts["modules"], facts["units"], params["expected_version"])
                _answer(module, True, attempt.finish(**done))
            attempt.content = marker = attempt.earlier() or {}
            if attempts.finished(marker):
                _answer(module, False, marker)
            _answer(module, True, attempt.finish(**mend(driver, marker)))
    except Failed as exc:
        module.fail_json(msg=f"the driver was not reloaded: {exc}", **dict(nothing, **exc.facts))
    except (AttemptError, CommandError, OSError) as exc:
        module.fail_json(msg=f"the driver was not reloaded: {exc}", **nothing)


if __name__ == "__main__":
    main()
