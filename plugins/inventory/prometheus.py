# Inventory plugin: the hosts that a Prometheus-compatible server watches, with what it knows about them.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus
version_added: 0.1.0
short_description: Hosts from the targets and series of a Prometheus-compatible server
description:
  - Makes a host of every node that is watched, with its GPUs, its rack, its health and the alerts that fire for it as
    variables.
  - The configuration file is called C(prometheus.yml) or ends in C(.prometheus.yml) (or C(.yaml)).
  - The defaults fit the servers and exporters that the roles of this collection install, so that O(plugin) and O(url)
    are enough.
  - What is unknown is null. Labels that a target has not are not set, so that group variables still count.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - aidc.ops._inventory
  - aidc.ops._prometheus
  - aidc.ops._prometheus.plugins
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [aidc.ops.prometheus]
  hosts_from:
    description:
      - What makes a host. With more than one, everything that is in any of them.
      - V(up), the series C(up) of O(jobs). Works with every compatible server.
      - V(targets), the targets of O(jobs) as Prometheus lists them, scraped already or not. Sets C(ansible_host) to the
        address that is scraped.
      - V(query), the series of O(hosts_query).
    type: list
    elements: str
    choices: [up, targets, query]
    default: [up]
  jobs:
    description: The jobs whose targets are hosts.
    type: list
    elements: str
    default: [node_exporter, gpu_exporter]
  hosts_query:
    description: A PromQL expression, each of whose series is a host, by its label O(host_label).
    type: str
  host_label:
    description: The label that names the host, in all series that are asked for.
    type: str
    default: instance
  strip_port:
    description:
      - Whether a port at the end of O(host_label) is left out of the name, so that several exporters make one host.
    type: bool
    default: true
  label_variables:
    description: Variables that are set to a label of the targets, as name of the variable and name of the label.
    type: dict
    default:
      aidc_ops_rack: rack
      aidc_ops_leaf: leaf
      aidc_ops_feed: feed
      aidc_ops_site: site
      aidc_ops_pool: pool
  read:
    description:
      - What is asked about the hosts.
      - V(gpus) sets C(aidc_ops_gpu_count), C(aidc_ops_gpu_model) (the model that most of them are),
        C(aidc_ops_gpu_models) (how many there are of each) and C(aidc_ops_gpu_problems) (how many GPUs have each
        problem; an empty dictionary is healthy, null is unknown). The problems are C(lost), C(not_answering),
        C(row_remap_failure), C(row_remap_pending), C(ecc_uncorrected) and C(recovery_action).
      - V(alerts) sets C(aidc_ops_alerts), the labels of each alert that fires for the host.
      - V(node_id) sets C(aidc_ops_node_id) where the hardware record is exported, see M(aidc.ops.hardware_record).
      - C(aidc_ops_state) is always set; C(up) if all targets of the host answer, C(down) if none does, else C(partial).
    type: list
    elements: str
    choices: [gpus, alerts, node_id]
    default: [gpus, alerts, node_id]
  series:
    description: More variables from expressions that give at most one series for each host.
    type: list
    elements: dict
    default: []
    suboptions:
      variable:
        description: Name of the variable. It is null for hosts without a series.
        type: str
        required: true
      query:
        description: The PromQL expression.
        type: str
        required: true
      label:
        description: The label that is the value. Without it, the value of the series is.
        type: str
seealso:
  - module: aidc.ops.prometheus_query
  - plugin: aidc.ops.promql
    plugin_type: lookup
"""

EXAMPLES = r"""
---
# The servers that this collection installs need no more. This is the file lab.prometheus.yml.
plugin: aidc.ops.prometheus
url: http://127.0.0.1:9090

---
# Groups by model of GPU and by rack, and one of the nodes that can take work.
plugin: aidc.ops.prometheus
url: https://monitor.example:9090
ca_path: /etc/ssl/site/ca.pem
token: "{{ lookup('ansible.builtin.file', '~/.config/monitor.token') }}"
keyed_groups:
  - key: aidc_ops_gpu_model
    prefix: gpu
  - key: aidc_ops_rack
    prefix: rack
groups:
  healthy: aidc_ops_state == 'up' and aidc_ops_gpu_problems == {} and aidc_ops_alerts == []
filters:
  - exclude: not aidc_ops_gpu_count

---
# A server with other names: hosts are what its own exporter says, in the label node.
plugin: aidc.ops.prometheus
url: http://victoria.example:8428
hosts_from: [query]
hosts_query: group by (node) (kube_node_info)
host_label: node
read: [alerts]
series:
  - variable: kernel
    query: group by (node, kernel_version) (kube_node_info)
    label: kernel_version

---
# Ask at most every five minutes.
plugin: aidc.ops.prometheus
url: http://127.0.0.1:9090
cache: true
cache_plugin: jsonfile
cache_connection: ~/.cache/aidc_ops
cache_timeout: 300
"""

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient, public_url
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import make_client
from ansible_collections.aidc.ops.plugins.plugin_utils._inventory import FoundHost, SourceInventory
from ansible_collections.aidc.ops.plugins.plugin_utils._prometheus_fleet import Question, read_fleet


class InventoryModule(SourceInventory):
    """Hosts from one server."""

    NAME = "aidc.ops.prometheus"
    STEM = "prometheus"

    def describe(self) -> str:
        return f"Prometheus at {public_url(self._connection('url'))}"

    def fetch(self) -> list[FoundHost]:
        fleet = read_fleet(self._client(), self._question())
        self._warn("has targets of one host with different labels; the first counts", fleet.disagreeing)
        return fleet.hosts()

    def _client(self) -> PrometheusClient:
        return make_client(self._connection)

    def _connection(self, name: str) -> t.Any:
        """An option of the connection; a secret may be written as a template that looks it up."""
        return self.templar.template(self.get_option(name))

    def _question(self) -> Question:
        return Question(
            hosts_from=tuple(self.get_option("hosts_from")),
            jobs=tuple(map(str, self.get_option("jobs"))),
            hosts_query=self.get_option("hosts_query"),
            host_label=str(self.get_option("host_label")),
            strip_port=self.get_option("strip_port"),
            label_variables={str(name): str(label) for name, label in self.get_option("label_variables").items()},
            read=tuple(self.get_option("read")),
            series=tuple(self.get_option("series")),
        )
