#!/usr/bin/python
# Module: asks a Prometheus-compatible server.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_query
version_added: 0.1.0
short_description: Ask a Prometheus-compatible server
description:
  - Evaluates a PromQL expression at one time, or over a range of time with O(start) and O(step).
  - Values are numbers. What is no finite number is the text that Prometheus writes, V(NaN), V(+Inf) or V(-Inf), so that
    a comparison with it fails instead of being false.
  - A range of more points than the server gives at once (11,000 for each series) is asked for in parts and joined.
  - The lookup plugin P(aidc.ops.promql#lookup) asks the same on the control node, inside an expression.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._prometheus
options:
  query:
    description: The PromQL expression.
    type: str
    required: true
  time:
    description:
      - When an expression is evaluated, if that is not now.
      - Seconds since 1970, RFC 3339 such as V(2026-01-31T12:00:00Z), V(now), or relative as V(-1h) and V(now-1h30m).
    type: str
  start:
    description: First time of a range, written like O(time).
    type: str
  end:
    description: Last time of a range, written like O(time).
    type: str
    default: now
  step:
    description: Distance of two points of a range, in seconds or as a duration such as V(15s) or V(1h30m).
    type: str
  allow_partial:
    description:
      - Take an answer that the server says may lack a part. What it says is shown as a warning and returned in
        RV(server_warnings).
    type: bool
    default: false
seealso:
  - plugin: aidc.ops.promql
    plugin_type: lookup
  - plugin: aidc.ops.prometheus
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Ask which targets do not answer
  aidc.ops.prometheus_query:
    url: http://127.0.0.1:9090
    query: up == 0
  register: down

- name: Stop if one does not
  ansible.builtin.assert:
    that: down.result | length == 0
    fail_msg: "No answer from {{ down.result | map(attribute='labels.instance') | join(', ') }}"

- name: Wait until every GPU of the new nodes is seen
  aidc.ops.prometheus_query:
    url: http://127.0.0.1:9090
    query: sum(aidc_gpu_count)
  register: gpus
  until: gpus.result | map(attribute='value') | sum >= 16
  retries: 10
  delay: 6

- name: Read the temperature of the last day, every five minutes
  aidc.ops.prometheus_query:
    url: https://monitor.example:9090
    ca_path: /etc/ssl/site/ca.pem
    token: "{{ prometheus_token }}"
    query: max by (instance) (DCGM_FI_DEV_GPU_TEMP)
    start: -24h
    step: 5m
  register: temperature
"""

RETURN = r"""
result_type:
  description: What the expression gives, V(vector), V(scalar), V(matrix) or V(string).
  returned: success
  type: str
  sample: vector
result:
  description: One element for each series; one without labels for a scalar; none for a string.
  returned: success
  type: list
  elements: dict
  contains:
    labels: {description: Labels of the series., type: dict, sample: {instance: gpu1, job: node_exporter}}
    value:
      description: The value; the text V(NaN), V(+Inf) or V(-Inf) if it is no finite number. Not there for a matrix.
      type: raw
      sample: 1.0
    timestamp: {description: Time of the evaluation in seconds since 1970. Not there for a matrix., type: float}
    values:
      description: For a matrix, pairs of time and value, oldest first.
      type: list
      elements: list
      sample: [[1769860800.0, 61.0], [1769861100.0, 62.0]]
text:
  description: The text of a string; else null.
  returned: success
  type: str
server_warnings:
  description: What the server said about parts that may be missing.
  returned: success
  type: list
  elements: str
  sample: []
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.ask import QUESTION, ask
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import ARGUMENTS, make_client


def main() -> None:
    module = AnsibleModule(
        argument_spec={"query": {"type": "str", "required": True}, **QUESTION, **ARGUMENTS},
        mutually_exclusive=[("time", "start")],
        required_together=[("start", "step")],
        supports_check_mode=True,
    )
    try:
        client = make_client(module.params.get, allow_partial=module.params["allow_partial"])
        found = ask(client, module.params["query"], module.params.get, time.time())
    except PrometheusError as exc:
        module.fail_json(msg=str(exc))
    for warning in found["server_warnings"]:
        module.warn(f"{client.url}: {warning}")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
