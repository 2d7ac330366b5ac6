# Inventory plugin: servers as their BMCs know them, before any operating system is there.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redfish
version_added: 0.1.0
short_description: Servers as their BMCs know them
description:
  - Asks a list or range of baseboard management controllers (BMC) through Redfish, all at the same time, and makes one
    host of each. No operating system is needed on the servers; they may be switched off.
  - Each host gets the variables C(aidc_ops_node_id), C(aidc_ops_manufacturer), C(aidc_ops_product), C(aidc_ops_serial),
    C(aidc_ops_uuid), C(aidc_ops_hostname), C(aidc_ops_power_state), C(aidc_ops_health), C(aidc_ops_bios_version),
    C(aidc_ops_memory_total_bytes), C(aidc_ops_cpu_model), C(aidc_ops_cpu_count), C(aidc_ops_gpu_model),
    C(aidc_ops_gpu_count), C(aidc_ops_bmc_address), C(aidc_ops_bmc_mac) and C(aidc_ops_bmc_firmware).
  - What a BMC does not tell is null.
  - The node id is that of M(aidc.ops.node_identity_info), so this inventory and one that asks the operating system make
    one host of a node. Where the firmware has no serial number it is made of the MAC address of the BMC.
  - The configuration file is called C(redfish.yml) or ends in C(.redfish.yml) (or C(.yaml)).
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._inventory
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - sushy 5.3 or newer
options:
  plugin:
    description: Has to be V(aidc.ops.redfish).
    type: str
    required: true
    choices: [aidc.ops.redfish]
  addresses:
    description:
      - The BMCs, as names, IP addresses, or ranges such as V(192.0.2.0/24).
      - An address of a range where nobody answers counts as a BMC that cannot be reached, see O(on_unreachable).
    type: list
    elements: str
    required: true
    aliases: [hosts]
  max_addresses:
    description: How many BMCs there may be. It guards against a mistyped range.
    type: int
    default: 4096
  port:
    description: Port of the Redfish services; that of HTTPS by default.
    type: int
  username:
    description: User of the BMCs. May be a template, and a vaulted value.
    type: str
    required: true
    env:
      - name: AIDC_OPS_BMC_USERNAME
  password:
    description: Password of that user. May be a template, and a vaulted value.
    type: str
    required: true
    env:
      - name: AIDC_OPS_BMC_PASSWORD
  validate_certs:
    description: Whether the certificates of the Redfish services have to be trusted.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory with the certificates of the authorities that are trusted.
      - By default those of the system.
    type: path
  concurrency:
    description: How many BMCs are asked at the same time.
    type: int
    default: 64
  timeout:
    description: Seconds that one BMC may take. One request gets a third of them.
    type: int
    default: 30
  on_unreachable:
    description:
      - What is done about BMCs that do not answer, deny access, or answer in part.
      - V(fail) stops with an error that names all of them, and adds no host.
      - V(warn) names all of them in a warning. Those that answered in part become hosts with what is known, the others
        are left out, and nothing is cached.
    type: str
    choices: [fail, warn]
    default: fail
  host_name:
    description:
      - What hosts are called; the first that a server has is taken.
      - V(hostname) is the name that the operating system told the BMC, which a copied or new system may lack or share.
    type: list
    elements: str
    choices: [address, hostname, serial]
    default: [address]
seealso:
  - module: aidc.ops.bmc_info
"""

EXAMPLES = r"""
# redfish.yml: user and password come from AIDC_OPS_BMC_USERNAME and AIDC_OPS_BMC_PASSWORD
plugin: aidc.ops.redfish
addresses:
  - 192.0.2.16/28
  - bmc-gpu17.example.com
ca_path: /etc/ssl/bmc-ca.pem

---
# servers.redfish.yml: grouped by GPU model, only those with GPUs, called by their serial numbers
plugin: aidc.ops.redfish
addresses: [192.0.2.0/24]
username: "{{ lookup('ansible.builtin.env', 'BMC_USER') }}"
password: "{{ lookup('ansible.builtin.env', 'BMC_PASSWORD') }}"
on_unreachable: warn
host_name: [serial, address]
keyed_groups:
  - key: aidc_ops_gpu_model
    prefix: gpu
filters:
  - include: (aidc_ops_gpu_count | default(0, true)) > 0
  - exclude: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/tmp/aidc_ops_inventory
"""

import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_client import Access
from ansible_collections.aidc.ops.plugins.plugin_utils._inventory import NODE_ID, FoundHost, SourceInventory
from ansible_collections.aidc.ops.plugins.plugin_utils._redfish_fleet import (
    Facts,
    ask_all,
    expand,
    host_name,
    host_variables,
    read_facts,
)

# The address stands before the reason in every message, once is enough.
_WHERE = re.compile(r"^(?:https://)?\S+: ")


class InventoryModule(SourceInventory):
    """One source: all BMCs of the configuration."""

    NAME = "aidc.ops.redfish"
    STEM = "redfish"

    _complete = True

    def describe(self) -> str:
        entries = [str(entry) for entry in self.get_option("addresses")]
        return f"BMCs {', '.join(entries[:3])}{' ...' if len(entries) > 3 else ''}"

    def fetch(self) -> list[FoundHost]:
        for name in ("concurrency", "timeout", "max_addresses"):
            if self.get_option(name) < 1:
                raise AidcOpsError(f"{name} must be at least 1, not {self.get_option(name)}")
        addresses = expand(self.get_option("addresses"), self.get_option("max_addresses"))
        return self._populate(self._ask(addresses))

    def _hosts(self, path: str, use_cache: bool) -> list[FoundHost]:
        self._complete = True
        found = super()._hosts(path, use_cache)
        if not self._complete and self.get_option("cache"):
            # Out of the cache the smaller fleet would come without its warning.
            del self._cache[self.get_cache_key(path)]
        return found

    def _ask(self, addresses: list[str]) -> dict[str, Facts | BmcError]:
        access = self._access()
        timeout = self.get_option("timeout")

        def ask(address: str) -> Facts:
            return read_facts(access._replace(address=address), timeout)

        def progress(done: int) -> None:
            text = f"{self.NAME}: {done} of {len(addresses)} BMCs have answered or failed"
            self.display.display(text, stderr=True)

        return ask_all(addresses, ask, self.get_option("concurrency"), timeout, progress)

    def _access(self) -> Access:
        return Access(
            address="",
            port=self.get_option("port"),
            username=self._secret("username"),
            password=self._secret("password"),
            validate_certs=self.get_option("validate_certs"),
            ca_path=self.get_option("ca_path"),
        )

    def _secret(self, name: str) -> str:
        value, origin = self.get_option_and_origin(name)
        # A template in the configuration file is meant as one; braces in the environment are part of the password.
        return str(value if str(origin).startswith("env") else self.templar.template(value))

    def _populate(self, answers: t.Mapping[str, Facts | BmcError]) -> list[FoundHost]:
        """Make hosts of the answers; AidcOpsError if one is missing and that is not allowed."""
        failed: dict[str, str] = {}
        partial: dict[str, str] = {}
        damaged: dict[str, str] = {}
        found = []
        for address, answer in answers.items():
            if isinstance(answer, BmcError):
                failed[address] = _WHERE.sub("", str(answer))
                continue
            if answer.problems:
                partial[address] = _first(answer.problems)
            if answer.damages:
                damaged[address] = _first(answer.damages)
            name = host_name(address, answer, self.get_option("host_name"))
            found.append(FoundHost(name, host_variables(address, answer)))
        self._report(failed, partial, len(answers))
        if damaged:
            self.display.warning(f"{self.NAME}: {_by_reason(damaged)}")
        _check_unique(found)
        return found

    def _report(self, failed: dict[str, str], partial: dict[str, str], number: int) -> None:
        if not failed and not partial:
            return
        self._complete = False
        parts = []
        if failed:
            parts.append(f"{len(failed)} of {number} BMCs cannot be read: {_by_reason(failed)}")
        if partial:
            parts.append(f"{len(partial)} of {number} BMCs answered in part: {_by_reason(partial)}")
        text = ". ".join(parts)
        if self.get_option("on_unreachable") == "fail":
            raise AidcOpsError(f"{text}. Set on_unreachable: warn to go on without them")
        self.display.warning(f"{self.NAME}: {text}")


def _first(problems: list[dict[str, t.Any]]) -> str:
    """The first problem of a BMC, and how many more there are."""
    one = problems[0]
    text = f"{one['device']}: {one['message']}" if one["device"] else str(one["message"])
    return text if len(problems) == 1 else f"{text} (and {len(problems) - 1} more)"


def _by_reason(reasons: t.Mapping[str, str]) -> str:
    """All addresses, those with the same reason together: a failed switch takes many BMCs away."""
    groups: dict[str, list[str]] = {}
    for address, reason in reasons.items():
        groups.setdefault(reason, []).append(address)
    return "; ".join(f"{', '.join(addresses)}: {reason}" for reason, addresses in groups.items())


def _check_unique(found: list[FoundHost]) -> None:
    """Two answers that would make one host are an error: one of the two servers would be gone without a word."""
    for what, keys in (
        ("name", [host.name for host in found]),
        (NODE_ID, [host.variables[NODE_ID] for host in found]),
    ):
        seen: dict[str, str] = {}
        for host, key in zip(found, keys, strict=True):
            address = host.variables["aidc_ops_bmc_address"]
            if key is not None and seen.setdefault(key, address) != address:
                raise AidcOpsError(
                    f"the BMCs {seen[key]} and {address} have the same {what} {key!r}: list a BMC once, and give "
                    "servers names and serial numbers of their own (see host_name)"
                )
