#!/usr/bin/python
# Module: trains a predictor of device failures, and reckons the risk of each device.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: failure_forecast
version_added: 0.1.0
short_description: Predict which drives and GPUs will fail
description:
  - With O(action=train), learns from the site's own history which devices of a kind fail within a horizon, and compares
    what it learned with the trend rules of the role P(aidc.ops.prometheus#role), on the last part of the time, which it
    did not learn from. The predictor is enabled only where its precision is higher, with a recall that is not lower and
    a median lead that is not shorter.
  - With O(action=score), writes the risk of each device as metrics for node_exporter's textfile collector. Rules of the
    role P(aidc.ops.prometheus#role) ask for planned work on devices above the threshold of an enabled predictor.
  - Failures are the faults of the ledger that say that a device of this kind failed, or the column C(failed) of
    O(csv).
  - No model comes with this collection. What is public about failures is about other devices than yours.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
  - aidc.ops._controller
  - aidc.ops._prometheus
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run looks at the history until now, so what it writes is new each time.
options:
  action:
    description: What to do.
    type: str
    required: true
    choices: [train, score]
  kind:
    description: Which kind of device.
    type: str
    required: true
    choices: [drive, gpu]
  url:
    description:
      - Address of the Prometheus that has the history, such as C(http://monitor:9090). Not needed with O(csv).
      - The module also takes it from the environment variable E(AIDC_OPS_PROMETHEUS_URL).
    type: str
    required: false
  csv:
    description:
      - Train from this file in place of Prometheus and the ledger. Its first line names the columns C(node), C(device),
        C(model), C(time) (seconds since 1970, or a date), C(failed) (V(1) on the last record of a device that failed,
        else V(0)), and measures of this kind of device.
    type: path
  model_path:
    description: File of the model, JSON. Written by O(action=train), read by O(action=score).
    type: path
    required: true
  textfile_path:
    description: Where O(action=score) writes the metrics; a file whose name ends in C(.prom).
    type: path
  history_days:
    description: How much of the past O(action=train) looks at.
    type: int
    default: 365
  horizon_days:
    description: Within how many days a device is to fail. O(action=score) uses that of the model.
    type: int
    default: 30
  step_days:
    description: Days between two looks of O(action=train) at each device.
    type: int
    default: 1
requirements:
  - scikit-learn, only for O(action=train)
seealso:
  - module: aidc.ops.prometheus_query
  - module: aidc.ops.case_info
"""

EXAMPLES = r"""
- name: Learn from the last year of drives
  aidc.ops.failure_forecast:
    action: train
    kind: drive
    url: http://127.0.0.1:9090
    model_path: /var/lib/aidc_ops/predictors/drive.json
  delegate_to: localhost
  register: trained

- name: Say whether it won
  ansible.builtin.debug:
    msg: "{{ 'enabled' if trained.enabled else trained.reasons }}"

- name: Reckon the risks of today
  aidc.ops.failure_forecast:
    action: score
    kind: drive
    url: http://127.0.0.1:9090
    model_path: /var/lib/aidc_ops/predictors/drive.json
    textfile_path: /var/lib/prometheus/node-exporter/aidc_failures_drive.prom
  delegate_to: localhost
"""

RETURN = r"""
enabled:
  description: Whether the predictor beats the trend rules, so that its risks may ask for work.
  returned: success
  type: bool
reasons:
  description: Why it is not enabled.
  returned: O(action=train)
  type: list
  elements: str
  sample: ["its precision is 0.310, not above 0.420"]
report:
  description: What was learned from, and the back-test on the time held out.
  returned: O(action=train)
  type: dict
  contains:
    devices: {description: Devices with a history., type: int}
    failures: {description: How many of them failed., type: int}
    algorithm: {description: The better of the two models., type: str, sample: logistic}
    held_out_from: {description: "When the time begins that was not learned from, in seconds since 1970.", type: float}
    held_out:
      description: >-
        For each way of raising alarms, C(precision), C(recall), C(lead_days), C(alarms_per_device_year), and the counts
        C(right), C(wrong), C(open) and C(failures).
      type: dict
risks:
  description: The risk of each device, highest first.
  returned: O(action=score)
  type: list
  elements: dict
  contains:
    node: {description: Name of the node in Prometheus., type: str}
    device: {description: Name of the device in its metrics., type: str}
    risk: {description: Probability that it fails within the horizon., type: float}
    flagged: {description: Whether that is at or above the threshold., type: bool}
"""

import os
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._cases import console
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, PredictionError
from ansible_collections.aidc.ops.plugins.module_utils._faults.devices import alert_device
from ansible_collections.aidc.ops.plugins.module_utils._predict import backtest, history, scoring
from ansible_collections.aidc.ops.plugins.module_utils._predict.kinds import KINDS, Kind, model_query, query
from ansible_collections.aidc.ops.plugins.module_utils._predict.model import dump, load
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Device
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import ARGUMENTS, make_client

# What a feature looks back, and a day before.
_LOOK_BACK = 31 * DAY
# A sample of a day's grid is that day's value, and no other's.
_HOLD = 300.0
_CATALOGUE_KIND = {"drive": "disk", "gpu": "gpu"}


def failures(kind: Kind, config: str | None) -> dict[tuple[str, str], list[float]]:
    """When devices of a kind failed, by node and device as the ledger names them."""
    found: dict[tuple[str, str], list[float]] = {}
    ledger = console.read_ledger(console.settings_of(config))
    for case in ledger.cases():
        for fault in ledger.faults(case.id):
            if fault.fault_class in kind.failures:
                found.setdefault((case.node, fault.device), []).append(fault.first_seen)
    return found


def devices(client: PrometheusClient, kind: Kind, begin: float, end: float, config: str | None) -> list[Device]:
    """The devices of a kind with a sample for each day; with their failures where there is a ledger to ask."""
    answers = {}
    for measure in kind.measures:
        found = client.query_range(query(kind, measure), begin, end, DAY)
        answers[measure.name] = [(series.labels, series.points) for series in found.series]
    models = {}
    keys = {
        (labels.get("instance", ""), labels.get(kind.label, "")) for one in answers.values() for labels, _unused in one
    }
    names = {key: alert_device(_CATALOGUE_KIND[kind.name], {kind.label: key[1]}) for key in keys}
    for series in client.query_range(model_query(kind), begin, end, DAY).series:
        key = (series.labels.get("instance", ""), series.labels.get(kind.label, ""))
        models[key] = series.labels.get(kind.model[1], "")
    recorded = failures(kind, config) if config is not None else {}
    failed = {key: recorded.get((key[0], name or ""), []) for key, name in names.items()}
    return history.assemble(kind, answers, models, failed, _HOLD)


def write(path: str, text: str) -> None:
    """Replace a file in one step; others may read it."""
    folder = os.path.dirname(path) or "."
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".aidc-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as target:
                target.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as exc:
        raise PredictionError(
            f"{path}: cannot be written: {exc.strerror}; make its directory, or name another"
        ) from exc


def train(module: AnsibleModule, kind: Kind, now: float) -> dict:
    params = module.params
    if params["csv"]:
        known = history.from_csv(Path(params["csv"]), kind)
    else:
        begin = now - params["history_days"] * DAY
        config = params["config"] or console.DEFAULT_PATH
        known = devices(make_client(params.get), kind, begin, now, config)
    result = backtest.train(kind.name, known, now, params["horizon_days"], params["step_days"])
    if not module.check_mode:
        write(params["model_path"], dump(result.model, result.report))
    return {"changed": True, "enabled": result.model.enabled, "reasons": list(result.reasons), "report": result.report}


def score(module: AnsibleModule, kind: Kind, now: float) -> dict:
    params = module.params
    path = params["model_path"]
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PredictionError(f"{path}: the model cannot be read: {exc}; train one first") from exc
    model = load(text, path)
    if model.kind != kind.name:
        raise PredictionError(f"{path}: this model is for {model.kind}, not for {kind.name}")
    known = devices(make_client(params.get), kind, now - _LOOK_BACK, now, None)
    risks = scoring.score(model, known, now)
    if params["textfile_path"] and not module.check_mode:
        write(params["textfile_path"], scoring.render(model, risks, now))
    return {
        "changed": bool(params["textfile_path"]),
        "enabled": model.enabled,
        "risks": [
            {"node": one.node, "device": one.device, "risk": one.risk, "flagged": one.risk >= model.threshold}
            for one in risks
        ],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "url": {**ARGUMENTS["url"], "required": False},
            **console.CONFIG_OPTION,
            "action": {"type": "str", "required": True, "choices": ["train", "score"]},
            "kind": {"type": "str", "required": True, "choices": sorted(KINDS)},
            "csv": {"type": "path"},
            "model_path": {"type": "path", "required": True},
            "textfile_path": {"type": "path"},
            "history_days": {"type": "int", "default": 365},
            "horizon_days": {"type": "int", "default": 30},
            "step_days": {"type": "int", "default": 1},
        },
        supports_check_mode=True,
    )
    params = module.params
    for name in ("history_days", "horizon_days", "step_days"):
        if params[name] < 1:
            module.fail_json(msg=f"{name} must be at least 1, not {params[name]}")
    if not params["url"] and (params["action"] == "score" or not params["csv"]):
        module.fail_json(msg="url is needed: the address of the Prometheus that has the history")
    if params["textfile_path"] and not params["textfile_path"].endswith(".prom"):
        module.fail_json(msg=f"{params['textfile_path']}: node_exporter reads only files whose names end in .prom")
    kind = KINDS[params["kind"]]
    try:
        answer = {"train": train, "score": score}[params["action"]](module, kind, time.time())
    except AidcOpsError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
