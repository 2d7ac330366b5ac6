# Cases of the log pipeline: lines that wait, lines that were lost, parts that say nothing.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import Case

RULES = ("aidc_logs",)
SENDER = {"function": "sender"}
QUEUE = 'aidc_log_queue_messages{{n},function="sender",queue="relp"}'
DISCARDED = 'aidc_log_queue_discarded_total{{n},function="sender",queue="relp"}'
UNMASKED = 'aidc_log_unmasked_total{{n},function="sender"}'
COUNTED = 'aidc_log_stats_timestamp_seconds{{n},function="sender"}'
RETENTION = "aidc_log_retention_last_success_timestamp_seconds{{n}}"

CASES = (
    Case(
        "LogLinesWait",
        ((QUEUE, "20000x70"),),
        "n1: 20000 log lines wait in the queue relp of the sender",
        # While the collector was restarted.
        ((QUEUE, "0x40 20000x10 0x20"),),
        labels={**SENDER, "queue": "relp"},
    ),
    Case(
        "LogLinesLost",
        ((DISCARDED, "0+1x70"),),
        "n1: 30 log lines were lost in a quarter of an hour",
        # Long ago.
        ((DISCARDED, "70x70"),),
        labels=SENDER,
    ),
    Case(
        "LogLinesLost",
        ((UNMASKED, "0+1x70"),),
        "n1: 30 log lines were lost in a quarter of an hour",
        # The line that a program was busy with when it was killed.
        ((UNMASKED, "0x50 1x20"),),
        labels=SENDER,
    ),
    Case(
        "LogPipelineSilent",
        ((COUNTED, "600x70"),),
        "n1: the sender of log lines has not counted for 20m 0s",
        # Its node is down: the series ends, and says nothing.
        ((COUNTED, "0+30x70"), ('aidc_log_stats_timestamp_seconds{instance="n2",function="sender"}', "600x30 stale")),
        labels=SENDER,
    ),
    Case(
        "LogRetentionLate",
        ((RETENTION, "3600x60"),),
        "n1: old days of log lines were last dropped 2d 6h 0m 0s ago",
        ((RETENTION, "86400x60"),),
        at="55h",
        interval="1h",
    ),
)
