#!/usr/bin/python
# Module: takes a network port down and up again, or resets its adapter, once per attempt, and waits for the link.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_reset
version_added: 0.1.0
short_description: Reset a network port, at most once per attempt
description:
  - Resets a port of a network adapter and waits until its link is there again. Addresses and routes that the reset took
    away are put back.
  - Refuses to touch the interface with the default route and the one through which Ansible is connected, also where a
    bond, a bridge or a VLAN on it is.
  - Safe to repeat after the caller was killed at any point. A marker on the node remembers the attempt O(token) and its
    outcome; a repetition only brings up a port that was left down.
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
  - iproute2 on the node
  - mlxlink or mlxfwreset on the node, where they are used
options:
  device:
    description: Name of a network interface, such as V(ib0), or of an RDMA device, such as V(mlx5_0).
    type: str
    required: true
  port:
    description: Number of the port, where O(device) is an RDMA device.
    type: int
    default: 1
  method:
    description:
      - V(link) takes the interface down and up. An InfiniBand port without an interface is toggled with C(mlxlink).
      - V(devlink) reloads the driver of the adapter's function (C(devlink dev reload)).
      - V(mlxfwreset) restarts the firmware of the adapter, with all its ports.
    type: str
    choices: [link, devlink, mlxfwreset]
    default: link
  token:
    description: Name of the attempt. A new attempt needs a new name.
    type: str
    required: true
  connection_addresses:
    description:
      - Addresses of the node through which it is managed; the interfaces that have them are left alone.
      - The address of the SSH connection, if the node shows it, is always among them.
    type: list
    elements: str
    default: []
  allow_management:
    description: Whether the interface of the default route or of the connection may be reset.
    type: bool
    default: false
  down_seconds:
    description: Seconds that the port stays down.
    type: int
    default: 2
  wait_seconds:
    description: Seconds within which the link has to be there again.
    type: int
    default: 60
  timeout:
    description: Seconds after which a command that does not end is given up.
    type: int
    default: 180
  root:
    description: Directory in front of C(/sys), for nodes whose hardware tree is mounted elsewhere.
    type: path
    default: /
  state_dir:
    description: Directory of the markers. It must survive a reboot.
    type: path
    default: /var/lib/aidc_ops/attempts
"""

EXAMPLES = r"""
- name: Take an InfiniBand port down and up
  aidc.ops.port_reset:
    token: aidc.ops:17:port_reset:1
    device: mlx5_0
    connection_addresses: "{{ [ansible_host | default(inventory_hostname)] }}"
  become: true

- name: Restart the firmware of an adapter
  aidc.ops.port_reset:
    token: aidc.ops:17:port_reset:2
    device: mlx5_0
    method: mlxfwreset
    wait_seconds: 180
  become: true
"""

RETURN = r"""
reset:
  description: Whether the port was reset in this attempt and has its link.
  returned: always
  type: bool
in_progress:
  description: Whether another call still works on this attempt.
  returned: always
  type: bool
interfaces:
  description: The interfaces that were reset. In check mode, that would be.
  returned: always
  type: list
  elements: str
commands:
  description: What was run to reset it. In check mode, what would be.
  returned: always
  type: list
  elements: str
linked:
  description: Whether the link is there at the end; null if nothing was done.
  returned: always
  type: bool
restored:
  description: Addresses and routes that were put back.
  returned: always
  type: list
  elements: str
protected:
  description: The interfaces that stand on this port and must not be touched, where that is the reason for refusing.
  returned: always
  type: list
  elements: str
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import CommandError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.attempts import AttemptError
from ansible_collections.aidc.ops.plugins.module_utils._repair import attempt as attempts
from ansible_collections.aidc.ops.plugins.module_utils._repair.deadline import Deadline, wait_until
from ansible_collections.aidc.ops.plugins.module_utils._repair.net_ports import (
    NAME,
    Ports,
    connection_addresses,
    default_interfaces,
    interfaces_with,
    own_addresses,
    own_routes,
)
from ansible_collections.aidc.ops.plugins.module_utils._runner import Result, run

POLL_SECONDS = 0.5
METHODS = ("link", "devlink", "mlxfwreset")


class Refused(Exception):
    """The port is not reset; C(facts) go into the answer."""

    def __init__(self, message: str, **facts: t.Any) -> None:
        super().__init__(message)
        self.facts = facts


class Job(t.NamedTuple):
    """What is reset, and how."""

    interfaces: tuple[str, ...]
    rdma: str | None
    port: int
    commands: tuple[tuple[str, ...], ...]
    affected: tuple[str, ...]
    """The interfaces that lose their link on the way."""


class Node:
    """The network of this node."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.ports = Ports(module.params["root"])
        self._module = module

    def job(self) -> Job:
        """Return what the options mean; Refused if there is no such port."""
        name, port, method = (self.params[key] for key in ("device", "port", "method"))
        if self.ports.is_interface(name):
            interfaces, rdma, kind = [name], next(iter(self.ports.rdma_of(name)), None), "net"
        elif self.ports.is_rdma(name):
            interfaces, rdma, kind = self.ports.interfaces_of(name, port), name, "infiniband"
        else:
            raise Refused(f"the node has neither an interface nor an RDMA device {name}")
        if method == "link":
            return Job(tuple(interfaces), rdma, port, self._link_commands(interfaces, rdma, port), tuple(interfaces))
        pci = self.ports.pci_of(kind, name)
        if pci is None:
            raise Refused(f"{name} is no PCI device, so it has no {method}")
        if method == "devlink":
            affected = [one for one in self.ports.of_adapter(pci) if self.ports.pci_of("net", one) == pci]
            command: tuple[str, ...] = (self.program("devlink"), "dev", "reload", f"pci/{pci}")
        else:
            affected = self.ports.of_adapter(pci)
            command = (self.program("mlxfwreset"), "-d", pci, "--yes", "reset")
        return Job(tuple(interfaces), rdma, port, (command,), tuple(dict.fromkeys([*interfaces, *affected])))

    def _link_commands(self, interfaces: t.Sequence[str], rdma: str | None, port: int) -> tuple[tuple[str, ...], ...]:
        if not interfaces:
            return ((self.program("mlxlink"), "-d", str(rdma), "-p", str(port), "--port_state", "TG"),)
        return tuple((self.program("ip"), "link", "set", "dev", name, "down") for name in interfaces)

    def refuse_management(self, job: Job) -> None:
        """Refused if the default route or the connection goes through an interface that would lose its link."""
        if self.params["allow_management"]:
            return
        defaults = self._ip("-o", "-4", "route", "show", "default") + self._ip("-o", "-6", "route", "show", "default")
        known = [*self.params["connection_addresses"], *connection_addresses()]
        needed = {*default_interfaces(defaults), *interfaces_with(self._ip("-o", "addr", "show"), known)}
        standing = {one for name in job.affected for one in self.ports.standing_on(name)}
        protected = sorted(needed & standing)
        if protected:
            raise Refused(
                f"{self.params['device']} carries the default route or the connection to this node "
                f"({', '.join(protected)}); reset it with allow_management, or through another way in",
                protected=protected,
            )

    def refuse_down(self, job: Job) -> None:
        """Refused if somebody took the interface down on purpose."""
        down = [name for name in job.interfaces if not self.ports.is_up(name)]
        if down:
            raise Refused(f"{', '.join(down)} is switched off on purpose (administratively down)")

    def remember(self, job: Job) -> dict[str, t.Any]:
        """Return what a reset may take away from the interfaces: that they are up, their addresses and routes."""
        return {
            name: {
                "addresses": own_addresses(self._ip("-o", "addr", "show", "dev", name)),
                "routes": {
                    family: own_routes(self._ip("-o", family, "route", "show", "table", "all", "dev", name))
                    for family in ("-4", "-6")
                },
            }
            for name in job.affected
            if self.ports.is_up(name)
        }

    def reset(self, job: Job) -> None:
        """Run the commands; CommandError or Refused if one fails."""
        for command in job.commands:
            self._must(command)
        if self.params["method"] == "link":
            time.sleep(self.params["down_seconds"])

    def bring_up(self, remembered: t.Mapping[str, t.Any]) -> list[str]:
        """Bring up what was up; return what did not come up."""
        # The interfaces of a reloaded driver take a moment to be there again.
        wanted = list(remembered)
        wait_until(lambda: all(map(self.ports.is_interface, wanted)), self._patience(), POLL_SECONDS)
        failed = []
        for name in wanted:
            try:
                self._must((self.program("ip"), "link", "set", "dev", name, "up"))
            except (Refused, CommandError) as exc:
                failed.append(f"{name}: {exc}")
        return failed

    def wait(self, job: Job) -> bool:
        """Whether the link is there in time."""
        return wait_until(lambda: self._linked(job), self._patience(), POLL_SECONDS)

    def restore(self, remembered: t.Mapping[str, t.Any]) -> list[str]:
        """Put back addresses and routes that are gone; return them."""
        restored = []
        for name, before in remembered.items():
            now = own_addresses(self._ip("-o", "addr", "show", "dev", name))
            for address in before["addresses"]:
                if address not in now and self._call("ip", "addr", "replace", address, "dev", name).rc == 0:
                    restored.append(f"{address} on {name}")
            for family, routes in before["routes"].items():
                now_routes = own_routes(self._ip("-o", family, "route", "show", "table", "all", "dev", name))
                for words in routes:
                    if words in now_routes:
                        continue
                    if self._call("ip", family, "route", "replace", *words, "dev", name).rc == 0:
                        restored.append(f"{' '.join(words)} on {name}")
        return restored

    def _linked(self, job: Job) -> bool:
        if job.rdma is not None:
            active = self.ports.rdma_linked(job.rdma, job.port)
            if active is not None:
                return active
        return bool(job.interfaces) and all(map(self.ports.linked, job.interfaces))

    def _patience(self) -> Deadline:
        return Deadline(self.params["wait_seconds"])

    def program(self, name: str) -> str:
        return str(self._module.get_bin_path(name, required=True))

    def _call(self, program: str, *arguments: str) -> Result:
        return run([self.program(program), *arguments], self.params["timeout"])

    def _ip(self, *arguments: str) -> str:
        return self._call("ip", *arguments).stdout

    def _must(self, command: t.Sequence[str]) -> None:
        done = run(command, self.params["timeout"])
        if done.rc != 0:
            said = (done.stderr or done.stdout).strip() or f"exit status {done.rc}"
            raise Refused(f"{' '.join(command)}: {said}")


def work(node: Node, job: Job, remembered: t.Mapping[str, t.Any], again: bool = False) -> dict[str, t.Any]:
    """Reset the port (unless that was done before) and bring all back; return the outcome."""
    problem = None
    if not again:
        try:
            node.reset(job)
        except (Refused, CommandError) as exc:
            problem = str(exc)
    # Whatever happened, nothing stays down that was up.
    failed = node.bring_up(remembered)
    linked = node.wait(job)
    restored = node.restore(remembered)
    if problem is None and failed:
        problem = "; ".join(failed)
    if problem is None and not linked:
        problem = f"the link was not there {node.params['wait_seconds']} seconds after the reset"
    return {"problem": problem, "linked": linked, "restored": restored}


def _answer(module: AnsibleModule, changed: bool, marker: t.Mapping[str, t.Any]) -> None:
    """Answer with what the marker tells."""
    answer = {
        "in_progress": False,
        "interfaces": marker.get("interfaces", []),
        "commands": marker.get("commands", []),
        "linked": marker.get("linked"),
        "restored": marker.get("restored", []),
        "protected": [],
    }
    if marker.get("problem"):
        module.fail_json(msg=f"{module.params['device']}: {marker['problem']}", reset=False, **answer)
    module.exit_json(changed=changed, reset=True, **answer)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **attempts.OPTIONS,
            "device": {"type": "str", "required": True},
            "port": {"type": "int", "default": 1},
            "method": {"type": "str", "choices": list(METHODS), "default": "link"},
            "connection_addresses": {"type": "list", "elements": "str", "default": []},
            "allow_management": {"type": "bool", "default": False},
            "down_seconds": {"type": "int", "default": 2},
            "wait_seconds": {"type": "int", "default": 60},
            "timeout": {"type": "int", "default": 180},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    nothing: dict[str, t.Any] = {"reset": False, "in_progress": False, "linked": None}
    nothing.update(interfaces=[], commands=[], restored=[], protected=[])
    if not NAME.match(params["device"]):
        module.fail_json(msg=f"not the name of an interface or RDMA device: {params['device'][:100]!r}", **nothing)
    for name, least in (("port", 1), ("down_seconds", 0), ("wait_seconds", 1), ("timeout", 1)):
        if params[name] < least:
            module.fail_json(msg=f"{name} must be at least {least}, not {params[name]}", **nothing)
    node = Node(module)
    try:
        with attempts.Attempt(params["state_dir"], "port_reset", params["token"]) as attempt:
            marker = attempt.earlier()
            if marker is not None and attempts.finished(marker):
                _answer(module, False, marker)
            job = node.job()
            facts = {
                "interfaces": list(job.interfaces),
                "commands": [" ".join(command) for command in job.commands],
            }
            if marker is None:
                node.refuse_management(job)
                node.refuse_down(job)
            if module.check_mode:
                module.exit_json(changed=True, **dict(nothing, **facts))
            if not attempt.take():
                module.exit_json(changed=False, **{**nothing, "in_progress": True})
            remembered = node.remember(job)
            if marker is None and attempt.begin(**facts, remembered=remembered):
                _answer(module, True, attempt.finish(**work(node, job, remembered)))
            attempt.content = marker = attempt.earlier() or {}
            if attempts.finished(marker):
                _answer(module, False, marker)
            # Died in the middle: what it had taken down is brought up, and the port shows whether it is well.
            _answer(module, True, attempt.finish(**work(node, job, marker.get("remembered") or {}, again=True)))
    except Refused as exc:
        module.fail_json(msg=f"the port was not reset: {exc}", **dict(nothing, **exc.facts))
    except (AttemptError, CommandError, OSError) as exc:
        module.fail_json(msg=f"the port was not reset: {exc}", **nothing)


if __name__ == "__main__":
    main()
