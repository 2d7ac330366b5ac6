# Lookup: asks a Prometheus-compatible server.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: promql
version_added: 0.1.0
short_description: Ask a Prometheus-compatible server
description:
  - Evaluates PromQL expressions on the control node and gives a list with one element for each series.
  - Values are numbers. What is no finite number is the text that Prometheus writes, V(NaN), V(+Inf) or V(-Inf), so that
    a comparison with it fails instead of being false.
  - The module M(aidc.ops.prometheus_query) asks the same from any host.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._prometheus
  - aidc.ops._prometheus.plugins
options:
  _terms:
    description: PromQL expressions.
    type: list
    elements: str
    required: true
  time:
    description:
      - When an expression is evaluated, if that is not now.
      - Seconds since 1970, RFC 3339 such as V(2026-01-31T12:00:00Z), V(now), or relative as V(-1h) and V(now-1h30m).
    type: str
  start:
    description: First time of a range, written like O(time). Needs O(step).
    type: str
  end:
    description: Last time of a range, written like O(time).
    type: str
    default: now
  step:
    description: Distance of two points of a range, in seconds or as a duration such as V(15s) or V(1h30m).
    type: str
  allow_partial:
    description: Take an answer that the server says may lack a part, and show what it says as a warning.
    type: bool
    default: false
notes:
  - Use C(query) and not C(lookup), which makes no list of a single series.
seealso:
  - module: aidc.ops.prometheus_query
  - plugin: aidc.ops.prometheus
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Show the nodes that do not answer
  ansible.builtin.debug:
    msg: "{{ query('aidc.ops.promql', 'up == 0', url='http://127.0.0.1:9090') | map(attribute='labels.instance') }}"

- name: Go on only while no critical alert fires
  ansible.builtin.assert:
    that: query('aidc.ops.promql', expression) | length == 0
  vars:
    aidc_ops_prometheus_url: http://127.0.0.1:9090
    expression: ALERTS{alertstate="firing", severity="critical"}

- name: Show the highest temperature of the last day
  ansible.builtin.debug:
    msg: "{{ query('aidc.ops.promql', 'max(max_over_time(DCGM_FI_DEV_GPU_TEMP[1d]))')[0].value }}"
  vars:
    aidc_ops_prometheus_url: http://127.0.0.1:9090
"""

RETURN = r"""
_list:
  description: One element for each series, of all expressions in their order.
  type: list
  elements: dict
  contains:
    labels: {description: Labels of the series; empty for a scalar., type: dict}
    value: {description: The value. Not there for a range., type: raw}
    timestamp: {description: Time of the evaluation in seconds since 1970. Not there for a range., type: float}
    values: {description: 'For a range, pairs of time and value.', type: list, elements: list}
"""

import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.ask import ask
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import make_client

display = Display()


class LookupModule(LookupBase):
    """Asks each expression of one server."""

    def run(
        self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        found: list[dict[str, t.Any]] = []
        try:
            client = make_client(self._option, allow_partial=self.get_option("allow_partial"))
            now = time.time()
            for term in terms:
                answer = ask(client, str(term), self._option, now)
                if answer["text"] is not None:
                    raise PrometheusError(f"{client.url}: {str(term)[:200]!r} gives a text and no series")
                for warning in answer["server_warnings"]:
                    display.warning(f"{client.url}: {warning}")
                found += answer["result"]
        except PrometheusError as exc:
            # Ansible would repeat the text of a cause.
            raise AnsibleError(str(exc)) from None
        return found

    def _option(self, name: str) -> t.Any:
        """An option. One that comes from a variable is not evaluated yet; what is no trusted template stays."""
        return self._templar.template(self.get_option(name))
