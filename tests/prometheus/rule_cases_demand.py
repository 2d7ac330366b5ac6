# Cases of demand that will not fit.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import Case

RULES = ("aidc_demand",)
MADE = 'aidc_forecast_timestamp_seconds{instance="ctl",forecast="gpus"}'
NAMES = 'instance="ctl",forecast="gpus",scope="project",series="vision",project="vision"'
EXCEEDS = f'aidc_forecast_exceeds_timestamp_seconds{{{NAMES},quantile="%s"}}'
LABELS = {"forecast": "gpus", "scope": "project", "series": "vision"}

CASES = (
    Case(
        "DemandWillNotFit",
        ((MADE, "0x100"), (EXCEEDS % "0.9", "432000x100"), (EXCEEDS % "0.95", "86400x100")),
        "The demand of vision (gpus) will not fit in 4d 22h 0m 0s",
        # Only in the worst of twenty futures, and in most of them after a month.
        ((MADE, "0x100"), (EXCEEDS % "0.9", "2592000x100"), (EXCEEDS % "0.95", "86400x100")),
        labels=LABELS,
        node=False,
        at="2h",
        interval="5m",
    ),
    Case(
        "DemandWillNotFit",
        # It was to be yesterday.
        ((MADE, "90000x400"), (EXCEEDS % "0.9", "93600x400")),
        "The demand of vision (gpus) will not fit in 0s",
        # Nobody has forecast since.
        ((MADE, "0x400"), (EXCEEDS % "0.9", "93600x400")),
        labels=LABELS,
        node=False,
        at="50h",
        interval="10m",
    ),
    Case(
        "DemandForecastStale",
        ((MADE, "0x400"),),
        "The forecast gpus is 2d 2h 0m 0s old",
        ((MADE, "100000x400"),),
        labels={"forecast": "gpus"},
        node=False,
        at="50h",
        interval="10m",
    ),
)
