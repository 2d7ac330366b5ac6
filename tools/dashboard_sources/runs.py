# How Ansible's own runs went, and which should have run and did not.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import FLEET, RED, TOP, Query, high_is_bad, words
from .page import Page, cluster, variable
from .panels import Column, bars, graph, listing, stat, states

RUN = f'playbook=~"$playbook",controller=~"$controller",{FLEET}'
REAL = f'check_mode="false",{RUN}'
BY = "playbook, controller"
RESULT = words({"0": ("failed", RED), "1": ("good", "green")})
GOES_ON = (
    f"ansible_playbook_start_timestamp_seconds{{{REAL}}} > on ({BY}) ansible_playbook_end_timestamp_seconds{{{REAL}}}"
)


def page() -> model.Dashboard:
    """The dashboard "Ansible runs"."""
    made = Page(
        "aidc-runs",
        "Ansible runs",
        "How the runs of playbooks went, from the callback aidc.ops.metrics. Check mode is left out but for one panel.",
        [
            cluster(),
            variable(
                "controller",
                "Controller",
                f"label_values(ansible_playbook_start_timestamp_seconds{{{FLEET}}}, controller)",
                "Where the runs begin",
            ),
            variable(
                "playbook",
                "Playbook",
                f"label_values(ansible_playbook_start_timestamp_seconds{{{FLEET}}}, playbook)",
                "Name of its file",
            ),
        ],
        alerts='alertname=~"Playbook.*|LoopRuns.*"',
        since="now-24h",
    )
    made.line(
        stat(
            "Playbooks",
            "Playbooks of which a run is known.",
            f"count(ansible_playbook_start_timestamp_seconds{{{REAL}}})",
            units.Short,
        ),
        stat(
            "Last run failed",
            "Playbooks whose last run had failed or unreachable hosts, or none at all.",
            f"count(ansible_playbook_last_run_success{{{REAL}}} == 0) or vector(0)",
            units.Short,
            high_is_bad(1, 3),
        ),
        stat(
            "Under way",
            "Runs that have begun and not ended. One that was killed stays here.",
            f"count({GOES_ON}) or vector(0)",
            units.Short,
        ),
        stat(
            "Longest since a success",
            "Time since the last success of the playbook that lacks one longest.",
            f"max(time() - ansible_playbook_last_success_timestamp_seconds{{{REAL}}})",
            units.Seconds,
            high_is_bad(86400, 7 * 86400),
        ),
        stat(
            "Hosts failed",
            "Hosts that failed in the last run of a playbook.",
            f'sum(ansible_playbook_hosts{{state="failed",{REAL}}})',
            units.Short,
            high_is_bad(1, 5),
        ),
        stat(
            "Hosts unreachable",
            "Hosts that could not be reached in the last run of a playbook.",
            f'sum(ansible_playbook_hosts{{state="unreachable",{REAL}}})',
            units.Short,
            high_is_bad(1, 5),
        ),
        stat(
            "Drift found",
            "Hosts on which a run in check mode would change something.",
            f'sum(ansible_playbook_hosts{{state="changed",check_mode="true",{RUN}}}) or vector(0)',
            units.Short,
            high_is_bad(1, 50),
        ),
        height=4,
    )
    made.heading("Playbooks")
    made.line(
        listing(
            "Playbooks, those that failed first",
            "The last run of each playbook.",
            {"playbook": "Playbook", "controller": "Controller"},
            [
                Column(
                    "Failed hosts",
                    f'sum by ({BY}) (ansible_playbook_hosts{{state=~"failed|unreachable",{REAL}}})',
                    units.Short,
                    high_is_bad(1, 5),
                ),
                Column("Result", f"max by ({BY}) (ansible_playbook_last_run_success{{{REAL}}})", texts=RESULT),
                Column(
                    "Began",
                    f"max by ({BY}) (ansible_playbook_start_timestamp_seconds{{{REAL}}}) * 1000",
                    units.DateTimeFromNow,
                ),
                Column("Took", f"max by ({BY}) (ansible_playbook_duration_seconds{{{REAL}}})", units.Seconds),
                Column(
                    "Last success",
                    f"max by ({BY}) (ansible_playbook_last_success_timestamp_seconds{{{REAL}}}) * 1000",
                    units.DateTimeFromNow,
                ),
                Column(
                    "Changed hosts", f'sum by ({BY}) (ansible_playbook_hosts{{state="changed",{REAL}}})', units.Short
                ),
            ],
            "Failed hosts",
        ),
        height=9,
    )
    made.line(
        states(
            "Results over time",
            "Whether the last run of each playbook was good.",
            Query(f"max by (playbook) (ansible_playbook_last_run_success{{{REAL}}})", "{{playbook}}"),
            RESULT,
        ),
        graph(
            "How long they take",
            "Duration of the last run of each playbook.",
            Query(f"max by (playbook) (ansible_playbook_duration_seconds{{{REAL}}})", "{{playbook}}"),
            units.Seconds,
        ),
    )
    made.heading("Hosts and tasks")
    made.line(
        graph(
            "Hosts by result",
            "Hosts of the last runs, each under the worst that it met.",
            Query(f"sum by (state) (ansible_playbook_hosts{{{REAL}}})", "{{state}}"),
            units.Short,
            stacked=True,
        ),
        graph(
            "Results of tasks",
            "Results of the tasks of the last runs.",
            Query(f"sum by (result) (ansible_playbook_task_results{{{REAL}}})", "{{result}}"),
            units.Short,
            stacked=True,
        ),
        bars(
            "Longest plays",
            "How long the plays of the last runs took.",
            f"topk({TOP}, max by (playbook, play) (ansible_playbook_play_duration_seconds{{{REAL}}}))",
            "{{playbook}}: {{play}}",
            units.Seconds,
        ),
    )
    return made.build()
