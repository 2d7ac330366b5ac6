# Is there enough, is it used, and when will it run out.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import BLUE, FLEET, NODES, TOP, Query, high_is_bad, low_is_bad
from .page import Page, cluster, node, rack
from .panels import Column, bars, graph, listing, stat

IDLE_HELD = f"instance:aidc_gpus_idle_held:count{{{NODES}}}"
ALLOCATED = f'instance:aidc_gpus_allocated:count{{{FLEET},instance=~"$node"}}'


def page() -> model.Dashboard:
    """The dashboard "Capacity and plan"."""
    made = Page(
        "aidc-capacity",
        "Capacity and plan",
        "Are there enough GPUs, are those that are held used, and when do they run out.",
        [cluster(), rack(), node()],
        alerts='alertname=~"GpusExhausted|GpusIdleHeld|GpuFragmentation.*|QueueWaits.*|Power.*"',
        since="now-7d",
    )
    made.line(
        stat("GPUs", "GPUs that answer.", f"sum(fleet:aidc_gpus:count{{{FLEET}}})", units.Short),
        stat(
            "Allocated",
            "Share of the GPUs that jobs hold.",
            f"sum(fleet:aidc_gpus_allocated:count{{{FLEET}}}) / sum(fleet:aidc_gpus:count{{{FLEET}}})",
            units.PercentUnit,
            low_is_bad(0.3, 0.6),
            decimals=0,
        ),
        stat(
            "Used",
            "Mean share of time that all GPUs were busy.",
            f"avg(fleet:aidc_gpu_utilization:avg{{{FLEET}}})",
            units.PercentUnit,
            low_is_bad(0.2, 0.5),
            decimals=0,
        ),
        stat(
            "Idle but held",
            "GPUs that jobs hold and that did next to nothing for half an hour.",
            f"sum(fleet:aidc_gpus_idle_held:count{{{FLEET}}})",
            units.Short,
            high_is_bad(1, 16),
        ),
        stat(
            "Free",
            "GPUs that the next job may have.",
            f"sum(instance:aidc_gpus_free:count{{{FLEET}}})",
            units.Short,
        ),
        stat(
            "Fragmented",
            "Share of the free GPUs that a job cannot have that wants a whole node.",
            f"max(fleet:aidc_gpu_fragmentation:ratio{{{FLEET}}})",
            units.PercentUnit,
            high_is_bad(0.3, 0.6),
            decimals=0,
            no_value="no GPU is free",
        ),
        stat(
            "Waited for",
            "GPUs that pending jobs ask for.",
            f"sum(slurm_pending_gpus{{{FLEET}}})",
            units.Short,
        ),
        stat(
            "Wait",
            "95th percentile of the wait of the jobs that started within the last hour.",
            f"max(fleet:aidc_queue_wait_seconds:p95{{{FLEET}}})",
            units.Seconds,
            high_is_bad(3600, 6 * 3600),
            no_value="none started",
        ),
        height=4,
    )
    made.heading("Demand and supply")
    made.line(
        graph(
            "GPUs: there, allocated, waited for",
            "Where allocated and waited for together stay above what is there, more are needed.",
            [
                Query(f"sum(fleet:aidc_gpus:count{{{FLEET}}})", "there"),
                Query(f"sum(fleet:aidc_gpus_allocated:count{{{FLEET}}})", "allocated"),
                Query(
                    f"sum(fleet:aidc_gpus_allocated:count{{{FLEET}}}) + sum(slurm_pending_gpus{{{FLEET}}})",
                    "allocated and waited for",
                ),
            ],
            units.Short,
        ),
        graph(
            "Demand in a week",
            "GPUs that are allocated or waited for, and where a line through the last two days leads to in seven days.",
            [
                Query(f"sum(fleet:aidc_gpus:count{{{FLEET}}})", "there"),
                Query(
                    f"clamp_min(sum(predict_linear(fleet:aidc_gpus_allocated:count{{{FLEET}}}[2d], 604800))"
                    f" + sum(predict_linear(slurm_pending_gpus{{{FLEET}}}[2d], 604800)), 0)",
                    "expected in seven days",
                ),
            ],
            units.Short,
        ),
        widths=(14, 10),
    )
    made.heading("Use of what is held")
    made.line(
        graph(
            "Allocated against used",
            "The gap between the two is what is paid for and not used.",
            [
                Query(
                    f"sum(fleet:aidc_gpus_allocated:count{{{FLEET}}}) / sum(fleet:aidc_gpus:count{{{FLEET}}})",
                    "allocated",
                ),
                Query(f"avg(fleet:aidc_gpu_utilization:avg{{{FLEET}}})", "used"),
            ],
            units.PercentUnit,
            high=1,
        ),
        graph(
            "Idle but held",
            "GPUs that jobs hold and that did next to nothing for half an hour, by rack.",
            Query(f"sum by (rack) ({IDLE_HELD})", "{{rack}}"),
            units.Short,
            stacked=True,
        ),
        graph(
            "Fragmentation",
            "Share of the free GPUs that are on nodes which are not wholly free.",
            Query(f"max(fleet:aidc_gpu_fragmentation:ratio{{{FLEET}}})", "fragmented"),
            units.PercentUnit,
            high=1,
            no_value="no GPU is free",
        ),
    )
    made.line(
        listing(
            "Nodes, those with most idle GPUs first",
            "What is held and not used, and what is free.",
            {"instance": "Node"},
            [
                Column(
                    "Idle but held",
                    f"max by (instance) ({IDLE_HELD})",
                    units.Short,
                    ((None, BLUE), (1, "orange"), (4, "red")),
                ),
                Column("GPUs", f"max by (instance) (instance:aidc_gpus:count{{{NODES}}})", units.Short),
                Column("Allocated", f"max by (instance) ({ALLOCATED})", units.Short),
                Column(
                    "Free",
                    f'max by (instance) (instance:aidc_gpus_free:count{{{FLEET},instance=~"$node"}})',
                    units.Short,
                ),
                Column(
                    "Used",
                    f"max by (instance) (instance:aidc_gpu_utilization:avg{{{NODES}}})",
                    units.PercentUnit,
                    bar_to=1,
                    decimals=0,
                ),
            ],
            "Idle but held",
        ),
        bars(
            "GPU hours by account",
            "GPU hours that the running jobs of each account took within the time shown.",
            f"topk({TOP}, sum by (account) (sum_over_time(account:aidc_gpu_hours:rate{{{FLEET}}}[$__range:1m])) / 60)",
            "{{account}}",
            units.Hours,
        ),
        widths=(14, 10),
        height=9,
    )
    return made.build()
