# What the remediation loop does: cases, times to repair, what the gate refused, whether its parts live.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import ANY_IS_BAD, ANY_IS_ODD, FLEET, GREEN, RED, TOP, YES_IS_BAD, Query, high_is_bad, link, words
from .page import Page, cluster
from .panels import Column, bars, graph, heat, listing, stat

OPEN = f'state=~"open|held|quarantined",{FLEET}'
WELL = f'state=~"returned|resolved",{FLEET}'
MEAN_TIME = (
    f"sum(increase(aidc_remediation_case_duration_seconds_sum{{{WELL}}}[$__range]))"
    f" / (sum(increase(aidc_remediation_case_duration_seconds_count{{{WELL}}}[$__range])) > 0)"
)


def page() -> model.Dashboard:
    """The dashboard "Remediation"."""
    made = Page(
        "aidc-remediation",
        "Remediation",
        "What the loop does: cases, times to repair, what the gate refused, and whether its parts live.",
        [cluster()],
        alerts='alertname=~"Loop.*"',
        since="now-24h",
    )
    made.line(
        stat(
            "Open cases",
            "Cases that the loop works on, holds for a person, or has put into quarantine.",
            f"sum(aidc_remediation_cases{{{OPEN}}})",
            units.Short,
            high_is_bad(1, 10),
        ),
        stat(
            "Wait for a person",
            "Cases that are held, or whose node is in quarantine.",
            f'sum(aidc_remediation_cases{{state=~"held|quarantined",{FLEET}}})',
            units.Short,
            ANY_IS_ODD,
        ),
        stat(
            "Oldest case",
            "How long the oldest open case is open.",
            f"time() - min(aidc_remediation_oldest_case_timestamp_seconds{{{FLEET}}})",
            units.Seconds,
            high_is_bad(4 * 3600, 24 * 3600),
            no_value="none is open",
        ),
        stat(
            "Mean time to repair",
            "Mean time from the opening of a case to its end, of the cases that ended with the node well within the"
            " time shown.",
            MEAN_TIME,
            units.Seconds,
            high_is_bad(3600, 4 * 3600),
            no_value="none ended",
        ),
        stat(
            "Contained within",
            "95th percentile of the time from the evidence to the node being out of scheduling, within the time shown.",
            "histogram_quantile(0.95, sum by (le)"
            f" (increase(aidc_remediation_event_to_containment_seconds_bucket{{{FLEET}}}[$__range]))) >= 0",
            units.Seconds,
            high_is_bad(10, 60),
            no_value="none contained",
        ),
        stat(
            "Paused",
            "Whether a person stopped all actions.",
            f"max(aidc_remediation_paused{{{FLEET}}})",
            "none",
            ANY_IS_BAD,
            texts=YES_IS_BAD,
            trend=False,
        ),
        stat(
            "Breaker",
            "Whether the breaker stops removals since too many nodes are out.",
            f"max(aidc_remediation_breaker_tripped{{{FLEET}}})",
            "none",
            ANY_IS_BAD,
            texts=words({"0": ("closed", GREEN), "1": ("tripped", RED)}),
            trend=False,
        ),
        stat(
            "Runs not started",
            "Cases that were given to a playbook run which never took them up.",
            f"sum(aidc_remediation_cases_without_run{{{FLEET}}})",
            units.Short,
            ANY_IS_BAD,
            to=link("Ansible runs", "aidc-runs"),
        ),
        height=4,
    )
    made.heading("Cases")
    made.line(
        graph(
            "Open cases",
            "Cases by state: open, held for a person, in quarantine.",
            Query(f"sum by (state) (aidc_remediation_cases{{{OPEN}}})", "{{state}}"),
            units.Short,
            stacked=True,
        ),
        graph(
            "Cases that ended",
            "Cases that ended within an hour, by how: returned to work, resolved by themselves, only observed,"
            " cancelled.",
            Query(
                "clamp_min(sum by (state)"
                f' (delta(aidc_remediation_cases{{state!~"open|held|quarantined",{FLEET}}}[1h])), 0)',
                "{{state}}",
            ),
            units.Short,
            stacked=True,
        ),
        graph(
            "Mean time to repair",
            "Mean time from the opening of a case to its end, of the cases that ended with the node well within a day,"
            " by what the loop did: took the node out (at once, or when it was idle), repaired it in service, opened"
            " a ticket.",
            Query(
                f"sum by (workflow) (increase(aidc_remediation_case_duration_seconds_sum{{{WELL}}}[1d]))"
                f" / (sum by (workflow) (increase(aidc_remediation_case_duration_seconds_count{{{WELL}}}[1d])) > 0)",
                "{{workflow}}",
            ),
            units.Seconds,
            no_value="none ended",
        ),
    )
    made.heading("Steps and gate")
    made.line(
        listing(
            "Steps, those that fail most first",
            "Attempts at each step since the ledger was made, and the share of them that failed.",
            {"step": "Step"},
            [
                Column(
                    "Failed",
                    f'(sum by (step) (aidc_remediation_attempts_total{{outcome="failed",{FLEET}}})'
                    f" or 0 * sum by (step) (aidc_remediation_attempts_total{{{FLEET}}}))"
                    f" / sum by (step) (aidc_remediation_attempts_total{{{FLEET}}})",
                    units.PercentUnit,
                    high_is_bad(0.1, 0.4),
                    decimals=0,
                ),
                Column("Attempts", f"sum by (step) (aidc_remediation_attempts_total{{{FLEET}}})", units.Short),
            ],
            "Failed",
        ),
        bars(
            "What the gate did not allow",
            "Steps that the gate or a limit did not allow within the time shown, by reason.",
            f"topk({TOP}, sum by (reason) (increase(aidc_remediation_skipped_total{{{FLEET}}}[$__range])))",
            "{{reason}}",
            units.Short,
        ),
        bars(
            "Signals that made nothing",
            "Signals that were refused within the time shown, by reason.",
            f"topk({TOP}, sum by (reason) (increase(aidc_remediation_signals_refused_total{{{FLEET}}}[$__range])))",
            "{{reason}}",
            units.Short,
        ),
    )
    made.line(
        heat(
            "From evidence to containment",
            "How long it took until a node was out of scheduling: how many, in which span.",
            f"sum by (le)"
            f" (increase(aidc_remediation_event_to_containment_seconds_bucket{{{FLEET}}}[$__rate_interval]))",
            units.Short,
        ),
        graph(
            "Attempts",
            "Ended attempts at steps within an hour, by outcome.",
            Query(f"sum by (outcome) (increase(aidc_remediation_attempts_total{{{FLEET}}}[1h]))", "{{outcome}}"),
            units.Short,
            stacked=True,
        ),
    )
    made.heading("Do its parts live")
    made.line(
        bars(
            "Heartbeats",
            "Time since each source of signals was last known to work.",
            f"max by (source) (time() - aidc_remediation_source_heartbeat_timestamp_seconds{{{FLEET}}})",
            "{{source}}",
            units.Seconds,
            high_is_bad(60, 120),
        ),
        graph(
            "Errors of the loop",
            "Rounds of sources that failed, rounds that the ledger failed, and events that the guard dropped; an hour.",
            [
                Query(f"sum by (source) (increase(aidc_remediation_source_errors_total{{{FLEET}}}[1h]))", "{{source}}"),
                Query(f"sum(increase(aidc_remediation_ledger_errors_total{{{FLEET}}}[1h]))", "ledger"),
                Query(f"sum(increase(aidc_remediation_guard_dropped_total{{{FLEET}}}[1h]))", "dropped by the guard"),
            ],
            units.Short,
        ),
        graph(
            "What waits inside",
            "Entries in the queues of the loop.",
            Query(f"sum by (queue) (aidc_remediation_queue_length{{{FLEET}}})", "{{queue}}"),
            units.Short,
        ),
    )
    return made.build()
