#!/usr/bin/python
# Module: decides how many replicas an inference service should have.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: autoscale_decision
version_added: 0.1.0
short_description: Decide how many replicas an inference service should have
description:
  - Reads the load of a service from a Prometheus-compatible server and its replicas from Kubernetes, and says how many
    replicas it should have now, and why. It changes nothing; M(aidc.ops.workload_resize) does.
  - The rule is that of Kubernetes' horizontal autoscaler, load divided by O(target). What is added is a forecast for
    the time that a replica takes to start, and a budget.
  - A replica is taken away only when the load of all of O(stabilisation) is known and was low. Where values are
    missing, old, V(NaN) or negative, where the clock was set back, or where the server does not answer, none is.
  - When the service was last scaled stands on the workload, as M(aidc.ops.workload_resize) writes it, and how its load
    was in Prometheus. Nothing is kept on the control node.
  - Kubernetes' own autoscaler must not look after the same workload; the two would take turns.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._attributes.info
  - aidc.ops._controller
  - aidc.ops._prometheus
options:
  workload:
    description: The service, as in M(aidc.ops.workload_resize).
    type: str
    required: true
  query:
    description:
      - A PromQL expression that gives the load as one series.
      - With O(measure=total) that of the whole service, such as V(sum(rate(requests_total[2m]\)\)) or the sum of the
        utilisation of its replicas.
    type: str
    required: true
  reporting_query:
    description:
      - A PromQL expression that gives how many replicas the load is of, such as V(count(utilisation\)).
      - With fewer than serve, none is taken away. Without it, replicas that report nothing look like low load.
    type: str
  target:
    description: The load that one replica should carry, in the unit of O(query).
    type: float
    required: true
  measure:
    description:
      - Whether O(query) gives the load of the whole service, or the mean of its replicas, such as
        V(avg(utilisation\)).
      - After a change, means of other replicas cannot be compared, so V(per_replica) waits longer before it takes one
        away, and knows no O(forecast).
    type: str
    choices: [total, per_replica]
    default: total
  minimum:
    description: Fewest replicas. A service with 0 replicas is switched off, and stays so.
    type: int
    default: 1
  maximum:
    description: Most replicas.
    type: int
    required: true
  tolerance:
    description: Share of the target by which the load may differ from it without a change.
    type: float
    default: 0.1
  stabilisation:
    description: How long the load has to have been low before a replica is taken away.
    type: str
    default: 5m
  cooldown_up:
    description: Pause after replicas were added, before more are.
    type: str
    default: 1m
  cooldown_down:
    description: Pause after any change, before a replica is taken away.
    type: str
    default: 5m
  step_up:
    description: Most replicas to add at once. Without it as many as are wanted.
    type: int
  step_down:
    description: Most replicas to take away at once.
    type: int
    default: 1
  max_age:
    description:
      - How old the newest value may be, and how long a gap.
      - A series whose exporter does not answer ends at once; other ones end after the lookback time of the server.
    type: str
    default: 2m
  startup:
    description: How long a new replica takes until it serves. So far ahead O(forecast) is read.
    type: str
    default: '0'
  max_gpus:
    description: Most GPUs of all replicas together.
    type: float
  gpus_per_replica:
    description:
      - GPUs of one replica, for O(max_gpus). Without it as the limits of its containers say.
      - A MIG slice counts as none there.
    type: float
  price:
    description: What one replica costs for an hour, in any currency.
    type: float
  max_price:
    description: Most that all replicas together may cost for an hour.
    type: float
  forecast:
    description: The result C(forecast_demand) of M(aidc.ops.capacity_forecast) for O(query).
    type: dict
  forecast_name:
    description: The series or project of the forecast; V(total) is all of it.
    type: str
    default: total
  forecast_quantile:
    description: Which quantile of the forecast counts. The forecast has to have it.
    type: float
    default: 0.9
seealso:
  - module: aidc.ops.workload_resize
  - module: aidc.ops.capacity_forecast
"""

EXAMPLES = r"""
- name: Decide about an inference service
  aidc.ops.autoscale_decision:
    url: http://127.0.0.1:9090
    workload: models/deployment/chat
    query: sum(rate(chat_requests_total[2m]))
    reporting_query: count(rate(chat_requests_total[2m]))
    target: 20
    minimum: 2
    maximum: 12
    max_gpus: 64
    stabilisation: 15m
  register: decided

- name: Do it
  aidc.ops.workload_resize:
    workload: models/deployment/chat
    replicas: "{{ decided.replicas }}"
    only_from_replicas: "{{ decided.current }}"
"""

RETURN = r"""
action:
  description: V(up), V(down) or V(hold).
  returned: success
  type: str
  sample: up
replicas:
  description: How many it should have.
  returned: success
  type: int
  sample: 5
current:
  description: How many it asks for now.
  returned: success
  type: int
  sample: 3
ready:
  description: How many of them serve.
  returned: success
  type: int
  sample: 3
wanted:
  description: How many the load and the forecast ask for, before any limit; null if the load is not known.
  returned: success
  type: int
  sample: 5
most:
  description: How many maximum and budget allow.
  returned: success
  type: int
  sample: 8
load:
  description: The load of the whole service; null if it is not known.
  returned: success
  type: float
  sample: 96.0
blind:
  description: Whether nothing could be decided, because the load is not known. It is a warning too.
  returned: success
  type: bool
reason:
  description: Why, as a sentence.
  returned: success
  type: str
  sample: 'load 96 at 20 a replica: it gets 5 replicas'
notes:
  description: What else there is to say.
  returned: success
  type: list
  elements: str
  sample: []
"""

import math
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._autoscale import options
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.ahead import foresee
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.decide import HOLD, ceiling, decide
from ansible_collections.aidc.ops.plugins.module_utils._autoscale.model import PER_REPLICA, Foreseen, Limits, Seen
from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_addressed
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, AutoscaleError, PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import ARGUMENTS, make_client
from ansible_collections.aidc.ops.plugins.module_utils._resize import kube

_POINTS_IN_A_GAP = 4


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **console.CONFIG_OPTION,
            **ARGUMENTS,
            **options.ARGUMENTS,
            "workload": {"type": "str", "required": True},
            "query": {"type": "str", "required": True},
            "reporting_query": {"type": "str"},
            "gpus_per_replica": {"type": "float"},
            "forecast": {"type": "dict"},
            "forecast_name": {"type": "str", "default": "total"},
            "forecast_quantile": {"type": "float", "default": 0.9},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        limits = options.read_limits(params)
        engine, workload = open_addressed(console.settings_of(params["config"]), params["workload"], dry_run=True)
        if not isinstance(engine, KubernetesEngine):
            raise AutoscaleError("it belongs to Slurm; only services of Kubernetes are scaled")
        service = options.read_service(kube.read(engine, kube.named(workload)), params["gpus_per_replica"])
        most, _which = ceiling(limits, service.gpus)
        now = time.time()
        seen = _look(make_client(params.get), params, limits, now)
        decision = decide(service, limits, seen, _foresee(params, limits, now), now)
    except AidcOpsError as error:
        module.fail_json(msg=f"Nothing was decided about {params['workload']}: {error}")
    blind = decision.load is None and decision.action == HOLD and service.replicas > 0
    if blind:
        module.warn(f"{params['workload']}: {decision.reason}")
    module.exit_json(
        changed=False,
        action=decision.action,
        replicas=decision.replicas,
        current=service.replicas,
        ready=service.ready,
        wanted=decision.wanted,
        most=most,
        load=decision.load,
        blind=blind,
        reason=decision.reason,
        notes=list(decision.notes),
    )


def _look(client: PrometheusClient, params: t.Mapping[str, t.Any], limits: Limits, now: float) -> Seen:
    """What the server says. That it says nothing is an answer; that a query gives several series is an error."""
    step = max(1.0, limits.max_age / _POINTS_IN_A_GAP)
    # The last point is now, and there is one from before the window.
    start = now - step * math.ceil((limits.stabilisation + limits.max_age) / step)
    try:
        series = client.query_range(params["query"], start, now, step).series
        counted = client.samples(params["reporting_query"], now) if params["reporting_query"] else None
    except PrometheusError as error:
        return Seen(missing=str(error))
    for name, found in (("query", series), ("reporting_query", counted or ())):
        if len(found) > 1:
            raise AutoscaleError(f"{name} gives {len(found)} series; make one of them, as with sum() or count()")
    reporting = None if counted is None else counted[0].value if counted else 0.0
    return Seen(series[0].points if series else (), reporting)


def _foresee(params: t.Mapping[str, t.Any], limits: Limits, now: float) -> Foreseen | None:
    if params["forecast"] is None:
        return None
    if limits.measure == PER_REPLICA:
        raise AutoscaleError("a forecast is of the whole service; give the load of all of it, with measure total")
    if not 0 < params["forecast_quantile"] < 1:
        raise AutoscaleError(f"forecast_quantile is {params['forecast_quantile']:g}; it lies between 0 and 1")
    return foresee(params["forecast"], params["forecast_name"], params["forecast_quantile"], limits.startup, now)


if __name__ == "__main__":
    main()
