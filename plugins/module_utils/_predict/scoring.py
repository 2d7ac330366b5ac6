# The risk of each device now, and the same as metrics for node_exporter's textfile collector; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

from . import features
from .model import Model
from .series import DAY, Device

# A device that was not seen for two days is gone, and has no risk.
_GONE = 2 * DAY
_HELP = {
    "aidc_failure_risk_ratio": "Probability that the device fails within the horizon of the predictor.",
    "aidc_failure_predictor_enabled": "Whether the predictor beat the trend rules when it was trained.",
    "aidc_failure_predictor_threshold_ratio": "The risk from which a device is flagged.",
    "aidc_failure_predictor_horizon_seconds": "How far the predictor looks ahead.",
    "aidc_failure_predictor_trained_timestamp_seconds": "When the predictor was trained, in seconds since 1970.",
    "aidc_failure_predictor_scored_timestamp_seconds": "When the risks were reckoned, in seconds since 1970.",
}


class Risk(t.NamedTuple):
    node: str
    device: str
    risk: float


def score(model: Model, devices: t.Sequence[Device], now: float) -> list[Risk]:
    """The risk of each device at its last sample, the highest first. Peers are those that are seen now."""
    present = [device for device in devices if now - device.end <= _GONE]
    newest = max((device.end for device in present), default=now)
    peers = features.medians(present, model.measures, newest)
    found = [
        Risk(device.node, device.name, model.risk(features.row(device, model.measures, device.end, peers)))
        for device in present
    ]
    return sorted(found, key=lambda one: (-one.risk, one.node, one.device))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def render(model: Model, risks: t.Iterable[Risk], now: float) -> str:
    """The risks and what is known of the predictor, in Prometheus' text format."""
    kind = f'kind="{model.kind}"'
    samples = {
        "aidc_failure_risk_ratio": [
            (f'node="{_escaped(one.node)}",device="{_escaped(one.device)}",{kind}', one.risk) for one in risks
        ],
        "aidc_failure_predictor_enabled": [(kind, float(model.enabled))],
        "aidc_failure_predictor_threshold_ratio": [(kind, model.threshold)],
        "aidc_failure_predictor_horizon_seconds": [(kind, model.horizon_days * DAY)],
        "aidc_failure_predictor_trained_timestamp_seconds": [(kind, model.trained_at)],
        "aidc_failure_predictor_scored_timestamp_seconds": [(kind, now)],
    }
    lines = []
    for family, text in _HELP.items():
        lines += [f"# HELP {family} {text}", f"# TYPE {family} gauge"]
        lines += [f"{family}{{{labels}}} {value!r}" for labels, value in samples[family]]
    return "\n".join(lines) + "\n"
