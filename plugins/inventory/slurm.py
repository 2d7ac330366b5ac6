# Inventory plugin: the nodes of a Slurm cluster, with their partitions, states and reasons.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: slurm
version_added: 0.1.0
short_description: Nodes of a Slurm cluster
description:
  - Makes a host of each node that Slurm knows, under its name in Slurm.
  - Asks slurmrestd if O(url) is given. Otherwise it runs C(scontrol show nodes --json) on the controller, or
    C(sinfo --json) where C(scontrol) is too old for that (Slurm 22.05).
  - Each host gets the variables C(aidc_ops_slurm_state) (such as C(idle), C(mixed) or C(down)),
    C(aidc_ops_slurm_states) (with all flags, such as C(drain) or C(not_responding)), C(aidc_ops_slurm_out) (whether it
    starts no job), C(aidc_ops_slurm_partitions), C(aidc_ops_slurm_features), C(aidc_ops_slurm_reason),
    C(aidc_ops_slurm_reason_by), C(aidc_ops_slurm_reason_at) (seconds since 1970), C(aidc_ops_slurm_gpus) (type name and
    count of the GPUs that Slurm gives to jobs), C(aidc_ops_slurm_cpus), C(aidc_ops_slurm_memory_mib),
    C(aidc_ops_slurm_address) and C(aidc_ops_slurm_hostname). What Slurm does not tell is null.
  - Slurm has no stable id of a node. Its hosts meet those of other sources by their names.
  - The configuration file is called C(slurm.yml) or ends in C(.slurm.yml) (or C(.yaml)).
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - aidc.ops._inventory
requirements:
  - Slurm's commands on the controller with their JSON serializer, or slurmrestd with JSON Web Tokens
options:
  plugin:
    description: Has to be V(aidc.ops.slurm).
    type: str
    required: true
    choices: [aidc.ops.slurm]
  url:
    description: URL of slurmrestd, such as V(https://slurm.example.com:6820). Without it, Slurm's commands are run.
    type: str
    env:
      - name: AIDC_OPS_SLURM_URL
  user:
    description: User to whom O(token) belongs.
    type: str
    default: root
    env:
      - name: AIDC_OPS_SLURM_USER
  token:
    description:
      - The JSON Web Token, as C(scontrol token) prints it behind the equals sign. Needed with O(url).
      - May be a template, and a vaulted value.
    type: str
    env:
      - name: SLURM_JWT
  api_version:
    description: Version of the REST API, such as V(v0.0.41). By default the newest that the service has.
    type: str
  validate_certs:
    description: Whether the certificate of the service has to be trusted.
    type: bool
    default: true
  ca_path:
    description: File with the certificates of the authorities that are trusted. By default those of the system.
    type: path
  scontrol:
    description: The command C(scontrol).
    type: str
    default: scontrol
  sinfo:
    description: The command C(sinfo).
    type: str
    default: sinfo
  timeout:
    description: Seconds that Slurm may take.
    type: int
    default: 30
seealso:
  - module: aidc.ops.engine_node
"""

EXAMPLES = r"""
# slurm.yml: on a host with Slurm's commands one line is enough
plugin: aidc.ops.slurm

---
# rest.slurm.yml: groups by partition and state, and one of the nodes that somebody took out
plugin: aidc.ops.slurm
url: https://slurm.example.com:6820
user: inventory
token: "{{ lookup('ansible.builtin.file', '/run/secrets/slurm_token') }}"
ca_path: /etc/ssl/site/ca.pem
keyed_groups:
  - key: aidc_ops_slurm_partitions
    prefix: partition
  - key: aidc_ops_slurm_state
    prefix: slurm
groups:
  drained: "'drain' in aidc_ops_slurm_states"
compose:
  ansible_host: aidc_ops_slurm_address
"""

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._engines import slurm_commands
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import SlurmNode
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_rest import SlurmRest
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.plugin_utils._inventory import FoundHost, SourceInventory


class InventoryModule(SourceInventory):
    """Hosts from one cluster."""

    NAME = "aidc.ops.slurm"
    STEM = "slurm"

    def describe(self) -> str:
        url = self.get_option("url")
        return f"slurmrestd at {url}" if url else f"Slurm's command {self.get_option('scontrol')}"

    def fetch(self) -> list[FoundHost]:
        if self.get_option("timeout") < 1:
            raise AidcOpsError(f"timeout must be at least 1 second, not {self.get_option('timeout')}")
        nodes = self._rest().nodes() if self.get_option("url") else self._run()
        return [FoundHost(one.node.name, host_variables(one)) for one in nodes]

    def _run(self) -> list[SlurmNode]:
        return slurm_commands.nodes(
            self.get_option("scontrol"), self.get_option("sinfo"), float(self.get_option("timeout"))
        )

    def _rest(self) -> SlurmRest:
        return SlurmRest(
            url=self.get_option("url"),
            user=self.get_option("user"),
            token=self._token(),
            version=self.get_option("api_version"),
            timeout=float(self.get_option("timeout")),
            validate_certs=self.get_option("validate_certs"),
            ca_path=self.get_option("ca_path"),
        )

    def _token(self) -> str:
        token = self.get_option("token")
        return str(self.templar.template(token) or "").strip() if token else ""


def host_variables(one: SlurmNode) -> dict[str, t.Any]:
    """The variables of one node."""
    return {
        "aidc_ops_slurm_state": one.node.states[0],
        "aidc_ops_slurm_states": list(one.node.states),
        "aidc_ops_slurm_out": one.node.out,
        "aidc_ops_slurm_partitions": list(one.partitions),
        "aidc_ops_slurm_features": list(one.features),
        "aidc_ops_slurm_reason": one.node.reason,
        "aidc_ops_slurm_reason_by": one.reason_by,
        "aidc_ops_slurm_reason_at": one.reason_at,
        "aidc_ops_slurm_gpus": one.gpus,
        "aidc_ops_slurm_cpus": one.cpus,
        "aidc_ops_slurm_memory_mib": one.memory_mib,
        "aidc_ops_slurm_address": one.address,
        "aidc_ops_slurm_hostname": one.hostname,
    }
