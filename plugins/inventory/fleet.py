# Inventory plugin: the hosts of a fleet file, and what the plan wants of them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
version_added: 0.1.0
short_description: Hosts from the fleet file that a discovery run wrote
description:
  - Makes a host of each hardware record in a fleet file, as the playbook C(aidc.ops.discover) and the module
    M(aidc.ops.fleet_file) write it.
  - Each host gets the variables C(aidc_ops_node_id), C(aidc_ops_gpu_model) (the model that most of its GPUs are),
    C(aidc_ops_gpu_models) (how many there are of each), C(aidc_ops_gpu_count), C(aidc_ops_manufacturer),
    C(aidc_ops_product), C(aidc_ops_serial), C(aidc_ops_collected_at), and the whole record as C(aidc_ops_hardware).
    What is unknown is null.
  - C(aidc_ops_site), C(aidc_ops_rack), C(aidc_ops_leaf) and C(aidc_ops_feed) are set where the record tells them. A
    leaf that nobody entered is taken from LLDP where all ports of the node lead to the same switch.
  - With a plan, C(aidc_ops_pool), C(aidc_ops_role) and C(aidc_ops_state) are set where it tells them.
  - The configuration file is called C(fleet.yml) or ends in C(.fleet.yml) (or C(.yaml)).
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - aidc.ops._inventory
options:
  plugin:
    description: Has to be V(aidc.ops.fleet).
    type: str
    required: true
    choices: [aidc.ops.fleet]
  path:
    description: The fleet file, or a link to it. A relative path starts at the configuration file.
    type: str
    required: true
  plan:
    description:
      - The plan, YAML or JSON. A relative path starts at the configuration file.
      - Its dictionary C(nodes) has for each stable id of a node a dictionary with C(pool), C(role) and C(state), each
        of which may be null or absent.
    type: str
  plan_only:
    description:
      - What is done about nodes that the plan knows and the fleet file has not.
      - V(fail) is an error that names them, for a node that fell out of the fleet would else go unnoticed.
      - V(warn) names them in a warning.
    type: str
    choices: [fail, warn]
    default: fail
  host_name:
    description: What hosts are called; the first that a node has is taken.
    type: list
    elements: str
    choices: [hostname, serial]
    default: [hostname, serial]
  group_by:
    description:
      - Groups that are made. V(model) makes groups such as C(model_h100), V(rack) C(rack_r1), V(pool) C(pool_train),
        V(role) C(role_gpu) and V(state) C(state_active).
    type: list
    elements: str
    choices: [pool, model, rack, role, state]
    default: [pool, model, rack, role, state]
  hardware:
    description:
      - Whether C(aidc_ops_hardware) is set. Ansible keeps the variables of all hosts in memory, some 0.5 MiB for each
        record, so set this to V(false) for a large fleet whose records nobody reads.
    type: bool
    default: true
notes:
  - The cache does not follow the file. It is of little use here.
seealso:
  - module: aidc.ops.fleet_file
  - module: aidc.ops.hardware_record
"""

EXAMPLES = r"""
# fleet.yml: two lines are enough for groups by GPU model and by rack
plugin: aidc.ops.fleet
path: /var/lib/aidc_ops/fleet/latest.jsonl

---
# site.fleet.yml: with a plan, only nodes with GPUs, no records in memory
plugin: aidc.ops.fleet
path: /var/lib/aidc_ops/fleet/latest.jsonl
plan: /var/lib/aidc_ops/plan.yml
hardware: false
filters:
  - include: (aidc_ops_gpu_count or 0) > 0
  - exclude: true
keyed_groups:
  - key: aidc_ops_product
    prefix: product
compose:
  ansible_host: inventory_hostname ~ '.example.com'
"""

import os
import typing as t

from ansible.errors import AnsibleParserError

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import fleet
from ansible_collections.aidc.ops.plugins.plugin_utils import _fleet_hosts as hosts
from ansible_collections.aidc.ops.plugins.plugin_utils._inventory import NODE_ID, FoundHost, SourceInventory

_NAMED_IN_MESSAGE = 5


class InventoryModule(SourceInventory):
    """Hosts from one fleet file."""

    NAME = "aidc.ops.fleet"
    STEM = "fleet"

    _folder = "."
    _own: t.Mapping[str, t.Mapping[str, t.Any]] = {}

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        self._folder = os.path.dirname(os.path.abspath(path))
        super().parse(inventory, loader, path, cache)

    def describe(self) -> str:
        return f"fleet file {self._path('path')}"

    def fetch(self) -> list[FoundHost]:
        records = fleet.read(self._path("path"))
        plan = hosts.read_plan(self._path("plan")) if self.get_option("plan") else {}
        self._missing(sorted(set(plan) - {record["node"]["id"] for record in records}))
        names = self.get_option("host_name")
        return hosts.make_hosts(records, plan, names, self.get_option("hardware"))

    def _path(self, option: str) -> str:
        return os.path.join(self._folder, os.path.expanduser(str(self.get_option(option))))

    def _missing(self, missing: list[str]) -> None:
        if not missing:
            return
        more = f" and {len(missing) - _NAMED_IN_MESSAGE} more" if len(missing) > _NAMED_IN_MESSAGE else ""
        text = f"the plan knows nodes that the fleet has not: {', '.join(missing[:_NAMED_IN_MESSAGE])}{more}"
        if self.get_option("plan_only") == "fail":
            raise AidcOpsError(f"{text}; find them again, take them out of the plan, or set plan_only: warn")
        self.display.warning(f"{self.describe()}: {text}")

    def _add(self, found: list[FoundHost]) -> list[t.Any]:
        self._own = {host.variables[NODE_ID]: host.variables for host in found}
        return super()._add(found)

    def _construct(self, found: t.Sequence[t.Any]) -> None:
        for host in found:
            # Only what this source says makes its groups; another one may have set the same variables.
            for name in hosts.group_names(self._own[host.vars[NODE_ID]], self.get_option("group_by")):
                group = self._sanitize_group_name(name)
                if group in self.inventory.hosts:
                    raise AnsibleParserError(f"{self.NAME}: a host is called {group!r}, like a group of {host.name}")
                self.inventory.add_child(self.inventory.add_group(group), host.name)
        super()._construct(found)
