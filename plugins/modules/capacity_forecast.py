#!/usr/bin/python
# Module: foretells demand from its history.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_forecast
version_added: 0.1.0
short_description: Foretell demand, with quantiles and a back-test
description:
  - Takes the history of one or many series from a Prometheus-compatible server or a CSV file, and foretells each, their
    sum by project, and the sum of all.
  - Every answer says how the model did in a back-test, beside the seasonal naive (the same as a season ago).
  - Quantiles come from the errors of the back-test. Those of a sum come from the sums of errors that were made at the
    same times.
  - Gaps, doubled and unordered points, values that are no numbers, restarted counters, changed levels and histories
    that are too short are dealt with, and said in C(notes).
  - The same input gives the same answer.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._prometheus
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the metrics that O(textfile_path) has and will have.
  idempotent:
    support: full
    details:
      - The time of the forecast alone is no change.
options:
  url:
    description:
      - Address of the server, such as C(http://monitor:9090). Needed with O(query).
      - The environment variable E(AIDC_OPS_PROMETHEUS_URL) will do.
    type: str
    required: false
  query:
    description: The PromQL expression of what is wanted, such as V(account:aidc_gpu_hours:rate).
    type: str
  start:
    description: Begin of the history, as in M(aidc.ops.prometheus_query). Four weeks show weekends; more is better.
    type: str
    default: -28d
  end:
    description: End of the history.
    type: str
    default: now
  allow_partial:
    description: Take an answer that the server says may lack a part. What it says is shown as a warning.
    type: bool
    default: false
  csv_path:
    description:
      - A file with a line of column names, among them C(time) or C(timestamp), instead of O(query).
      - Times are seconds since 1970 or ISO 8601, in UTC where they name no zone.
    type: path
  value_by:
    description: The column with the figures. Without it the first that is nothing else.
    type: str
  series_by:
    description:
      - The label or column that names a series.
      - Without it all labels do, or the column C(series) if there is one.
    type: str
  project_by:
    description: The label or column by which series are summed up.
    type: str
  counter:
    description: Whether the values count up, so that demand is how much they grow in a second.
    type: bool
    default: false
  step:
    description: Length of a step. Finer values are averaged.
    type: str
    default: 1h
  horizon:
    description: How far to foretell, at most 1000 steps.
    type: str
    default: 7d
  season:
    description:
      - After how long demand repeats itself. V(auto) is a day, for steps of a day a week, and nothing for longer ones.
      - V(none) for nothing.
    type: str
    default: auto
  model:
    description:
      - V(auto) takes, for each series, what erred least in the back-test. That is the seasonal naive, the last value,
        or the mean of the former with Theta and complex exponential smoothing, without or with the last value. Where
        C(statsforecast) is not installed, the means are left out.
      - Any other is used as it is. Where the seasonal naive did better in the back-test, C(notes) say so.
      - V(lstm) needs C(torch), V(arima), V(ets), V(theta) and V(ces) need C(statsforecast).
    type: str
    choices: [auto, arima, ets, theta, ces, lstm, seasonal_naive]
    default: auto
  quantiles:
    description: Which quantiles, each between 0 and 1.
    type: list
    elements: float
    default: [0.05, 0.1, 0.5, 0.9, 0.95]
  capacity:
    description:
      - What there is, by name of a series or project, and for all together by the name V(total).
      - With it the answer says when demand will not fit.
    type: dict
    default: {}
  textfile_path:
    description:
      - File to which metrics are written, in the directory of node_exporter's textfile collector.
      - Its name has to end in C(.prom), and without that end is the label C(forecast). The alerts about demand of the
        role C(aidc.ops.prometheus) go by these metrics.
    type: path
  textfile_mode:
    description: Mode of that file, as an octal number in quotes. The exporter has to be able to read it.
    type: raw
    default: '0644'
  textfile_horizons:
    description: For each of them the metrics have the highest demand up to then.
    type: list
    elements: str
    default: [1d, 7d]
requirements:
  - prometheus-api-client, for O(query)
  - statsforecast, for the models V(arima), V(ets), V(theta), V(ces), and the better part of V(auto)
  - torch, for the model V(lstm)
notes:
  - A month of hours takes less than a second of processor time with V(auto), and 10 to 20 seconds with V(arima).
  - At most 2000 series and the last 5000 steps of each.
seealso:
  - module: aidc.ops.prometheus_query
"""

EXAMPLES = r"""
- name: Foretell what accounts will want
  aidc.ops.capacity_forecast:
    url: http://127.0.0.1:9090
    query: account:aidc_gpu_hours:rate
    series_by: account
    start: -42d
    horizon: 14d
    capacity: {total: 512}
    textfile_path: /var/lib/prometheus/node-exporter/aidc_forecast.prom
  register: demand

- name: Say when it will not fit
  ansible.builtin.debug:
    msg: "{{ item.name }} does not fit on {{ item.capacity }} in {{ (item.seconds / 86400) | round(1) }} days"
  loop: "{{ demand.shortfalls | selectattr('quantile', 'eq', 0.9) }}"

- name: Foretell from a file, by one model
  aidc.ops.capacity_forecast:
    csv_path: /srv/accounting/gpus.csv
    value_by: gpus
    series_by: job_class
    project_by: account
    model: theta
"""

RETURN = r"""
forecast_demand:
  description: The forecast, as the planner takes it.
  returned: success
  type: dict
  contains:
    begin: {description: "Begin of the first step foretold, in seconds since 1970.", type: float}
    step_seconds: {description: Length of a step., type: float, sample: 3600.0}
    season_steps: {description: Steps of a season; 1 for none., type: int, sample: 24}
    times: {description: Begin of each step foretold., type: list, elements: float}
    quantiles: {description: The quantiles asked for., type: list, elements: float}
    series:
      description: One element for each series.
      type: list
      elements: dict
      contains:
        name: {description: Name of the series., type: str, sample: account=vision}
        project: {description: Its project; empty if none was asked for., type: str}
        model:
          description:
            - What foretold it, such as V(mean), V(mean_with_last), V(last_value) or V(seasonal_naive).
            - V(none) if nothing could.
          type: str
        steps_used: {description: Steps of history., type: int}
        forecast: {description: One value for each step. Empty if it cannot be foretold., type: list, elements: float}
        quantiles: {description: 'For each quantile, one value for each step.', type: dict}
        backtest:
          description: How it did before; null if the history is too short for that.
          type: dict
          contains:
            forecasts: {description: How many were made., type: int}
            mase: {description: Mean absolute scaled error., type: float}
            coverage_90:
              description: Share of what came that lay in the 90 % band as it was then; null if it cannot be told.
              type: float
            mase_seasonal_naive: {description: The same error of the seasonal naive., type: float}
            coverage_90_seasonal_naive: {description: The same share for the seasonal naive., type: float}
        notes: {description: What was found in the history and done about it., type: list, elements: str}
    projects: {description: 'The sum of each project, with the same keys.', type: list, elements: dict}
    total: {description: 'The sum of all series, with the same keys.', type: dict}
    notes: {description: What holds for all., type: list, elements: str}
shortfalls:
  description: Where demand exceeds O(capacity), for each quantile at which it does.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Series or project; V(total) for all., type: str}
    quantile: {description: The quantile., type: float, sample: 0.9}
    capacity: {description: What there is., type: float}
    at: {description: Begin of the first step at which it does not fit., type: float}
    seconds: {description: How far that is from the begin of the forecast., type: float}
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError, PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._forecast import textfile
from ansible_collections.aidc.ops.plugins.module_utils._forecast.forecast import MODELS, Asked, forecast
from ansible_collections.aidc.ops.plugins.module_utils._forecast.request import limits, make_asked, shortfalls, spans
from ansible_collections.aidc.ops.plugins.module_utils._forecast.sources import History, from_csv, from_series
from ansible_collections.aidc.ops.plugins.module_utils._hardware.atomic_file import FileError, find, write
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import ARGUMENTS, make_client
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_time


def _histories(module: AnsibleModule, asked: Asked) -> list[History]:
    params = module.params
    if params["csv_path"]:
        try:
            with open(params["csv_path"], encoding="utf-8", newline="") as source:
                return from_csv(
                    source, params["csv_path"], params["value_by"], params["series_by"], params["project_by"]
                )
        except OSError as exc:
            raise ForecastError(f"{params['csv_path']} cannot be read: {exc.strerror}") from exc
    if not params["url"]:
        raise ForecastError("a query needs url, the address of the server that is asked")
    client = make_client(params.get, allow_partial=params["allow_partial"])
    now = time.time()
    try:
        start, end = read_time(params["start"], now), read_time(params["end"], now)
    except ValueError as exc:
        raise ForecastError(str(exc)) from exc
    # On whole steps, so that a later run asks for the same points.
    start, end = (moment // asked.step * asked.step for moment in (start, end))
    answer = client.query_range(params["query"], start, end, asked.step)
    for warning in answer.warnings:
        module.warn(f"{client.url}: {warning}")
    return from_series(answer.series, client.url, params["series_by"], params["project_by"])


def _target(module: AnsibleModule) -> tuple[str, int] | None:
    """Where the metrics are to be written, and the mode."""
    path, wanted = module.params["textfile_path"], module.params["textfile_mode"]
    if path is None:
        return None
    if not os.path.isabs(path) or not path.endswith(".prom"):
        module.fail_json(msg=f"textfile_path has to be an absolute path that ends in .prom, not {path!r}")
    try:
        mode = int(wanted, 8) if isinstance(wanted, str) else int(wanted)
    except (TypeError, ValueError):
        mode = -1
    if not 0 <= mode <= 0o777:
        module.fail_json(msg=f"textfile_mode has to be an octal number in quotes such as '0644', not {wanted!r}")
    return path, mode


def _place(path: str, mode: int, text: str, dry: bool) -> dict[str, str] | None:
    """Write the metrics. Return the difference; None if only the time differs."""
    found = find(path)
    before, after = textfile.steady(found.text or ""), textfile.steady(text)
    if not dry and (found.text != text or found.mode != mode):
        write(path, text, mode)
    if found.text is not None and before == after and found.mode == mode:
        return None
    return {"before": before, "after": after, "before_header": path, "after_header": f"{path} (mode {mode:04o})"}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "url": {**ARGUMENTS["url"], "required": False},
            "query": {"type": "str"},
            "start": {"type": "str", "default": "-28d"},
            "end": {"type": "str", "default": "now"},
            "allow_partial": {"type": "bool", "default": False},
            "csv_path": {"type": "path"},
            "value_by": {"type": "str"},
            "series_by": {"type": "str"},
            "project_by": {"type": "str"},
            "counter": {"type": "bool", "default": False},
            "step": {"type": "str", "default": "1h"},
            "horizon": {"type": "str", "default": "7d"},
            "season": {"type": "str", "default": "auto"},
            "model": {"type": "str", "default": "auto", "choices": list(MODELS)},
            "quantiles": {"type": "list", "elements": "float", "default": [0.05, 0.1, 0.5, 0.9, 0.95]},
            "capacity": {"type": "dict", "default": {}},
            "textfile_path": {"type": "path"},
            "textfile_mode": {"type": "raw", "default": "0644"},
            "textfile_horizons": {"type": "list", "elements": "str", "default": ["1d", "7d"]},
        },
        mutually_exclusive=[("query", "csv_path")],
        required_one_of=[("query", "csv_path")],
        supports_check_mode=True,
    )
    target = _target(module)
    diff: t.Any = None
    try:
        asked = make_asked(module.params)
        capacity = limits(module.params["capacity"])
        horizons = spans(module.params["textfile_horizons"], asked)
        if target:
            # A path that cannot be written is told before anything is asked.
            find(target[0])
        found = forecast(_histories(module, asked), asked)
        late = shortfalls(found, capacity)
        if target:
            name = os.path.basename(target[0])[: -len(".prom")]
            text = textfile.render(name, found, time.time(), horizons, capacity)
            diff = _place(*target, text, module.check_mode)
    except (ForecastError, PrometheusError, FileError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=diff is not None, forecast_demand=found, shortfalls=late, diff=diff or {})


if __name__ == "__main__":
    main()
