# What Slurm runs, what waits, how long and why.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import ALL_IS_WELL, ANY_IS_BAD, FLEET, TOP, UP_IS_GOOD, Query, high_is_bad
from .page import Page, cluster, variable
from .panels import Column, bars, graph, heat, listing, stat

PART = f'{FLEET},partition=~"$partition"'
OUT = 'state=~"down|drain|fail|maint|not_responding"'
JOB = "job_id, user, account, partition"


def page() -> model.Dashboard:
    """The dashboard "Jobs and queues"."""
    made = Page(
        "aidc-jobs",
        "Jobs and queues",
        "What Slurm runs, what waits, how long and why. From the role slurm_exporter.",
        [
            cluster(),
            variable("partition", "Partition", f"label_values(slurm_jobs{{{FLEET}}}, partition)", "Of the jobs"),
        ],
        alerts='alertname=~"Queue.*|Slurm.*|GpusExhausted|GpusIdleHeld"',
    )
    made.line(
        stat(
            "Slurm answers",
            "Whether the controller answers the exporter.",
            f"min(slurm_up{{{FLEET}}})",
            "none",
            ALL_IS_WELL,
            texts=UP_IS_GOOD,
            trend=False,
        ),
        stat("Jobs running", "Jobs that run.", f'sum(slurm_jobs{{state="running",{PART}}})', units.Short),
        stat(
            "Jobs pending",
            "Jobs that wait, for whatever reason.",
            f'sum(slurm_jobs{{state="pending",{PART}}})',
            units.Short,
        ),
        stat("GPUs waited for", "GPUs that pending jobs ask for.", f"sum(slurm_pending_gpus{{{PART}}})", units.Short),
        stat(
            "Longest wait",
            "How long the oldest pending job waits.",
            f"max(slurm_pending_oldest_seconds{{{PART}}})",
            units.Seconds,
            high_is_bad(6 * 3600, 24 * 3600),
        ),
        stat(
            "Half wait less than",
            "Median wait of the jobs that started within the last hour.",
            f"max(fleet:aidc_queue_wait_seconds:p50{{{FLEET}}})",
            units.Seconds,
            no_value="none started",
        ),
        stat(
            "One in twenty waits more than",
            "95th percentile of the wait of the jobs that started within the last hour.",
            f"max(fleet:aidc_queue_wait_seconds:p95{{{FLEET}}})",
            units.Seconds,
            high_is_bad(3600, 6 * 3600),
            no_value="none started",
        ),
        stat(
            "Nodes out of scheduling",
            "Nodes that are drained, down, in maintenance or silent.",
            f"count(max by (node) (slurm_node_state{{{OUT},{FLEET}}}) == 1) or vector(0)",
            units.Short,
            high_is_bad(1, 5),
        ),
        height=4,
    )
    made.heading("Queue")
    made.line(
        graph(
            "Jobs by state",
            "Jobs that run, wait, are suspended or come to their end.",
            Query(f"sum by (state) (slurm_jobs{{{PART}}})", "{{state}}"),
            units.Short,
            stacked=True,
        ),
        graph(
            "GPUs waited for",
            "GPUs that pending jobs ask for, by partition.",
            Query(f"sum by (partition) (slurm_pending_gpus{{{PART}}})", "{{partition}}"),
            units.Short,
            stacked=True,
        ),
        bars(
            "Why jobs wait",
            "Pending jobs by the reason that Slurm gives.",
            f"topk({TOP}, sum by (reason) (slurm_pending_reason_jobs{{{PART}}}))",
            "{{reason}}",
            units.Short,
        ),
    )
    made.line(
        heat(
            "How long jobs waited",
            "The waits of the jobs that started: how many, in which span.",
            f"sum by (le) (increase(slurm_job_wait_seconds_bucket{{{PART}}}[$__rate_interval]))",
            units.Short,
        ),
        graph(
            "Wait by partition",
            "95th percentile of the wait of the jobs that started within an hour.",
            Query(
                f"histogram_quantile(0.95, sum by (le, partition)"
                f" (increase(slurm_job_wait_seconds_bucket{{{PART}}}[1h])))",
                "{{partition}}",
            ),
            units.Seconds,
        ),
        graph(
            "Oldest pending job",
            "How long the oldest pending job of each partition waits.",
            Query(f"max by (partition) (slurm_pending_oldest_seconds{{{PART}}})", "{{partition}}"),
            units.Seconds,
        ),
    )
    made.heading("What runs")
    made.line(
        listing(
            "Running jobs, those with most GPUs first",
            "Jobs that hold GPUs, how long they run, and the power that falls to them.",
            {"job_id": "Job", "user": "User", "account": "Account", "partition": "Partition"},
            [
                Column("GPUs", f"topk(50, sum by ({JOB}) (slurm_job_gpus{{{PART}}}))", units.Short),
                Column("Nodes", f"count by ({JOB}) (slurm_job_gpus{{{PART}}})", units.Short),
                Column(
                    "Runs for",
                    f"sum by ({JOB}) (group by ({JOB}) (slurm_job_gpus{{{PART}}}) * on (job_id) group_left ()"
                    f" (time() - max by (job_id) (slurm_job_start_timestamp_seconds{{{FLEET}}})))",
                    units.Seconds,
                ),
                Column("Power", f"sum by ({JOB}) (job:aidc_power_watts:sum{{{PART}}})", units.Watt),
            ],
            "GPUs",
        ),
        bars(
            "GPUs by account",
            "GPUs that the running jobs of an account hold.",
            f"topk({TOP}, sum by (account) (slurm_running_gpus{{{PART}}}))",
            "{{account}}",
            units.Short,
        ),
        widths=(15, 9),
        height=9,
    )
    made.heading("Nodes of Slurm")
    made.line(
        graph(
            "Nodes by state",
            "Nodes by the states and flags that Slurm gives them; a node may have several.",
            Query(f"sum by (state) (slurm_node_state{{{FLEET}}})", "{{state}}"),
            units.Short,
        ),
        graph(
            "GPUs allocated by partition",
            "GPUs that running jobs hold.",
            Query(f"sum by (partition) (slurm_running_gpus{{{PART}}})", "{{partition}}"),
            units.Short,
            stacked=True,
        ),
        listing(
            "Nodes out of scheduling",
            "Nodes that take no jobs.",
            {"node": "Node", "state": "State"},
            [
                Column(
                    "Out",
                    f"max by (node, state) (slurm_node_state{{{OUT},{FLEET}}} == 1)",
                    units.Short,
                    ANY_IS_BAD,
                )
            ],
            "Out",
            node_label="node",
            no_value="All take jobs",
        ),
    )
    return made.build()
