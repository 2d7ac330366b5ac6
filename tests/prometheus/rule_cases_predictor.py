# Cases of the parts that a trained predictor holds to be about to fail.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import Case

RULES = ("aidc_predictor",)
# The node that reckons is not the one at risk.
AT = 'instance="ctl",rack="r9",node="n1"'


def reckoned(kind: str, enabled: str = "1x110", scored: str = "0+1800x110") -> tuple[tuple[str, str], ...]:
    """What stands beside the risks: the predictor is on or off, from which risk, and when it reckoned last."""
    labels = f'{{instance="ctl",rack="r9",kind="{kind}"}}'
    return (
        ("aidc_failure_predictor_enabled" + labels, enabled),
        ("aidc_failure_predictor_threshold_ratio" + labels, "0.25x110"),
        ("aidc_failure_predictor_scored_timestamp_seconds" + labels, scored),
    )


def risk(kind: str, device: str, value: str) -> tuple[str, str]:
    return f'aidc_failure_risk_ratio{{{AT},device="{device}",kind="{kind}"}}', f"{value}x110"


def case(alert: str, kind: str, device: str, label: str, summary: str) -> tuple[Case, ...]:
    """Fires at the threshold; silent below it, for a predictor that did not win, and where nobody reckoned for long."""
    high, low, other = (
        risk(kind, device, "0.25"),
        risk(kind, device, "0.24"),
        risk({"drive": "gpu", "gpu": "drive"}[kind], device, "0.9"),
    )
    firing = (*reckoned(kind), high)
    silent = (
        (*reckoned(kind), low, other),
        (*reckoned(kind, enabled="0x110"), high),
        (*reckoned(kind, scored="0x110"), high),
        (high,),
    )
    labels = {"instance": "n1", label: device}
    return tuple(
        Case(alert, firing, summary, quiet, labels=labels, node=False, at="50h", interval="30m") for quiet in silent
    )


CASES = (
    *case(
        "DriveLikelyToFail",
        "drive",
        "nvme4",
        "device",
        "n1: the drive nvme4 is likely to fail soon (predicted risk 25%)",
    ),
    *case(
        "GpuLikelyToFail",
        "gpu",
        "00000000:3b:00.0",
        "pci_bus_id",
        "n1: GPU 00000000:3b:00.0 is likely to fail soon (predicted risk 25%)",
    ),
)
