# Cases of the runs of Ansible, the loop's own state, and what monitors the monitoring.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import Case

RULES = ("aidc_runs",)
RUN = '{instance="n1",playbook="site",controller="ctl1",check_mode="false"}'
CHECK = '{instance="n1",playbook="site",controller="ctl1",check_mode="true"}'
LABELS = {"playbook": "site", "controller": "ctl1"}
START, END = "ansible_playbook_start_timestamp_seconds", "ansible_playbook_end_timestamp_seconds"
GOOD = "ansible_playbook_last_success_timestamp_seconds"
LOOP = {"instance": "n1"}
OLDEST = 'aidc_remediation_oldest_case_timestamp_seconds{instance="n1",state="%s"}'
GROUP = {"instance": "n1", "rule_group": "gpu"}


def of_loop(alert: str, fires: tuple[str, str], summary: str, silent: str, at: str = "30m") -> Case:
    """A case of one series of the loop; ``silent`` are the values with which the alert must not fire."""
    name, values = fires
    series = f'aidc_remediation_{name}{{instance="n1"}}'
    return Case(alert, ((series, values),), f"n1: {summary}", ((series, silent),), labels=LOOP, node=False, at=at)


def too_long(alert: str, state: str, summary: str, at: str, silent: str) -> Case:
    return Case(
        alert,
        ((OLDEST % state, "0x500"),),
        f"n1: the oldest case {summary}",
        ((OLDEST % state, silent),),
        labels=LOOP,
        node=False,
        at=at,
        interval="1h",
    )


def of_rules(alert: str, metric: str, summary: str) -> Case:
    series = f'{metric}{{instance="n1",rule_group="gpu"}}'
    return Case(alert, ((series, "0+1x90"),), summary, ((series, "7x90"),), labels=GROUP, node=False)


CASES = (
    Case(
        "PlaybookFailed",
        (("ansible_playbook_last_run_success" + RUN, "1x30 0x40"),),
        "The playbook site failed when it last ran on ctl1",
        # In check mode.
        (("ansible_playbook_last_run_success" + RUN, "1x70"), ("ansible_playbook_last_run_success" + CHECK, "0x70")),
        labels=LABELS,
        node=False,
    ),
    Case(
        "PlaybookNeverEnded",
        ((START + RUN, "36000x300"), (END + RUN, "3600x300")),
        "The playbook site began on ctl1 13h 0m 0s ago and has not ended",
        # One that ended, long ago; and one in check mode.
        ((START + RUN, "3600x300"), (END + RUN, "3700x300"), (START + CHECK, "3600x300"), (END + CHECK, "0x300")),
        labels=LABELS,
        node=False,
        at="23h",
        interval="5m",
    ),
    Case(
        "PlaybookNeverEnded",
        # The first run that a Pushgateway hears of has no end at all.
        ((START + RUN, "36000x300"),),
        "The playbook site began on ctl1 13h 0m 0s ago and has not ended",
        # It still runs.
        ((START + RUN, "_x200 60000x100"),),
        labels=LABELS,
        node=False,
        at="23h",
        interval="5m",
    ),
    Case(
        "PlaybookTooOld",
        ((GOOD + RUN, "3600x40"),),
        "The playbook site last ended well 1d 5h 0m 0s ago",
        # Another controller ran it since; and a playbook of which nobody said how old it may be.
        (
            (GOOD + RUN, "3600x40"),
            (GOOD + '{playbook="site",controller="ctl2",check_mode="false"}', "72000x40"),
            (GOOD + '{playbook="drill",controller="ctl2",check_mode="false"}', "0x40"),
        ),
        labels={"playbook": "site"},
        node=False,
        at="30h",
        interval="1h",
    ),
    Case(
        "PlaybookNeverSucceeded",
        ((GOOD + CHECK, "3600x40"),),
        "The playbook site has never ended well as far as is known",
        ((GOOD + RUN, "3600x40"),),
        labels={"playbook": "site", "check_mode": "false"},
        node=False,
        at="30h",
        interval="1h",
    ),
    too_long("LoopCaseOpenTooLong", "open", "has been worked on for 8d 8h 0m 0s", "200h", "72000x500"),
    too_long("LoopCaseHeldTooLong", "held", "has waited for an approval for 1d 6h 0m 0s", "30h", "72000x500"),
    too_long("LoopCaseQuarantinedTooLong", "quarantined", "has waited for work for 14d 4h 0m 0s", "340h", "72000x500"),
    Case(
        "LoopOptOutsStand",
        (('aidc_remediation_opt_outs{instance="n1"}', "2x100 1x120"),),
        "n1: 1 nodes or fault classes have been left alone for a week",
        # None on one day; and a loop that is here since three days.
        (
            ('aidc_remediation_opt_outs{instance="n1"}', "2x100 0x20 1x100"),
            ('aidc_remediation_opt_outs{instance="n2"}', "_x130 1x90"),
        ),
        labels=LOOP,
        node=False,
        at="200h",
        interval="1h",
    ),
    of_loop("LoopPaused", ("paused", "1x700"), "a person has paused all actions of the loop", "0x300 1x400", at="5h"),
    of_loop(
        "LoopBreakerTripped",
        ("breaker_tripped", "1x70"),
        "the breaker of the loop has tripped, and it acts no more",
        "0x70",
    ),
    of_loop(
        "LoopLedgerErrors",
        ("ledger_errors_total", "0+1x70"),
        "the ledger failed the loop 30 times in a quarter of an hour",
        # Twice; and a loop that was restarted.
        "5x50 0x5 2x20",
    ),
    of_loop(
        "LoopEventsDropped",
        ("guard_dropped_total", "0+1x70"),
        "the guard dropped 30 events in a quarter of an hour",
        "7x70",
    ),
    Case(
        "LoopSignalsRefused",
        (('aidc_remediation_signals_refused_total{instance="n1",reason="unknown_node"}', "0+1x150"),),
        "n1: the loop refused signals of the last hour: unknown_node",
        # What comes twice is refused every day.
        (('aidc_remediation_signals_refused_total{instance="n1",reason="duplicate"}', "0+1x150"),),
        labels={"instance": "n1", "reason": "unknown_node"},
        node=False,
        at="70m",
    ),
    Case(
        "TargetDown",
        (('up{{n},job="bmc_exporter"}', "0x70"),),
        "n1: its target of the job bmc_exporter does not answer",
        # A node that is down has alerts of its own; and a scrape that failed once.
        (('up{{n},job="node_exporter"}', "0x70"), ('up{{n},job="bmc_exporter"}', "1x50 0x5 1x20")),
        labels={"job": "bmc_exporter"},
    ),
    Case(
        "SlurmNotAnswering",
        (('slurm_up{instance="n1",job="slurm_exporter"}', "0x70"),),
        "n1: Slurm does not answer its exporter",
        (('slurm_up{instance="n1",job="slurm_exporter"}', "1x70"),),
        labels=LOOP,
        node=False,
    ),
    Case(
        "DriveMetricsOld",
        (("aidc_disk_exporter_last_run_timestamp_seconds{{n}}", "3600x60"),),
        "n1: its drives were last asked 3h 0m 0s ago",
        # Its node is down: the series ends, and says nothing.
        (
            ("aidc_disk_exporter_last_run_timestamp_seconds{{n}}", "0+300x60"),
            ('aidc_disk_exporter_last_run_timestamp_seconds{instance="n2"}', "3600x14 stale"),
        ),
        at="4h",
        interval="5m",
    ),
    Case(
        "DriveNotAnswering",
        (('aidc_disk_exporter_device_state{{n},device="nvme4",state="timeout"}', "1x60"),),
        "n1: the drive nvme4 does not say how it is",
        # One that sleeps, and one that was slow once.
        (
            ('aidc_disk_exporter_device_state{{n},device="sda",state="standby"}', "1x60"),
            ('aidc_disk_exporter_device_state{{n},device="nvme4",state="timeout"}', "_x40 1x5 stale"),
        ),
        labels={"device": "nvme4"},
        at="4h",
        interval="5m",
    ),
    of_rules(
        "PrometheusRulesFail", "prometheus_rule_evaluation_failures_total", "n1: rules of gpu cannot be evaluated"
    ),
    of_rules(
        "PrometheusRulesLate",
        "prometheus_rule_group_iterations_missed_total",
        "n1: rules of gpu take longer than their interval",
    ),
    Case(
        "PrometheusConfigRefused",
        (('prometheus_config_last_reload_successful{instance="n1"}', "0x70"),),
        "n1: Prometheus refused its configuration and runs with the one before",
        (('prometheus_config_last_reload_successful{instance="n1"}', "1x70"),),
        labels=LOOP,
        node=False,
    ),
    Case(
        "AlertsNotDelivered",
        (('prometheus_notifications_errors_total{instance="n1",alertmanager="a1"}', "0+1x70"),),
        "n1: alerts do not reach the Alertmanager a1",
        # While it was restarted.
        (('prometheus_notifications_errors_total{instance="n1",alertmanager="a1"}', "0x40 3x30"),),
        labels={"instance": "n1", "alertmanager": "a1"},
        node=False,
    ),
    Case(
        "AlertmanagerMissing",
        (('prometheus_notifications_alertmanagers_discovered{instance="n1"}', "0x70"),),
        "n1: Prometheus knows no Alertmanager",
        (('prometheus_notifications_alertmanagers_discovered{instance="n1"}', "1x70"),),
        labels=LOOP,
        node=False,
    ),
)
