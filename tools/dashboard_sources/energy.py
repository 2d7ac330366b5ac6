# Where the power goes, what it costs, and what could be saved.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import FLEET, NODES, TOP, Query, high_is_bad
from .page import Page, cluster, node, rack
from .panels import Column, bars, graph, listing, stat

PRICE = "set prometheus_energy_price_per_kwh"
CO2 = "set prometheus_co2_grams_per_kwh"
FACILITY = "set prometheus_facility_power_query"
POWER = f"instance:aidc_power_watts:sum{{{NODES}}}"


def page() -> model.Dashboard:
    """The dashboard "Energy and cost"."""
    made = Page(
        "aidc-energy",
        "Energy and cost",
        "Where the power goes, what it costs, and what could be saved. Prices are variables of the role prometheus.",
        [cluster(), rack(), node()],
        alerts='alertname=~"Power.*|GpuPower.*|GpusIdle.*"',
        since="now-24h",
    )
    made.line(
        stat(
            "Power",
            "Electrical power of the chosen nodes: from BMC or power strip where there is one, else of their GPUs.",
            f"sum({POWER})",
            units.Watt,
        ),
        stat(
            "Measured at the node",
            "Share of the nodes of which a BMC or a power strip tells the power; of the others only the GPUs count.",
            f'count(instance:aidc_power_watts:sum{{source!="gpu",{NODES}}}) / count({POWER})',
            units.PercentUnit,
            decimals=0,
            no_value="none",
        ),
        stat(
            "Energy of a day",
            "What the chosen nodes take in a day at their mean power of the last one.",
            f"avg_over_time(sum({POWER})[1d:5m]) * 24",
            units.WattHour,
        ),
        stat(
            "PUE",
            "Power of the whole facility for each watt of its nodes; only where somebody measures the facility.",
            f"max(fleet:aidc_pue:ratio{{{FLEET}}})",
            "none",
            high_is_bad(1.4, 1.8),
            decimals=2,
            no_value=FACILITY,
        ),
        stat(
            "Cost of an hour",
            "What the energy costs, in the currency of the price.",
            f"max(fleet:aidc_energy_cost:per_hour{{{FLEET}}})",
            units.Short,
            decimals=2,
            no_value=PRICE,
        ),
        stat(
            "Cost of thirty days",
            "What the energy of thirty days costs at the mean power of the time shown.",
            f"max(avg_over_time(fleet:aidc_energy_cost:per_hour{{{FLEET}}}[$__range])) * 720",
            units.Short,
            decimals=0,
            no_value=PRICE,
        ),
        stat(
            "CO2 of an hour",
            "Carbon dioxide of the energy.",
            f"max(fleet:aidc_co2_grams:per_hour{{{FLEET}}})",
            units.Gram,
            decimals=1,
            no_value=CO2,
        ),
        stat(
            "Power of idle GPUs",
            "What GPUs draw that did nothing within half an hour.",
            f"sum(gpu:aidc_gpu_power_watts:avg{{{NODES}}}"
            f" and on (instance, UUID) max_over_time(gpu:aidc_gpu_utilization:avg{{{NODES}}}[30m]) < 0.05) or"
            f" vector(0)",
            units.Watt,
        ),
        height=4,
    )
    made.heading("Power")
    made.line(
        graph(
            "Power by rack",
            "Electrical power of the chosen nodes of each rack.",
            Query(f"sum by (rack) ({POWER})", "{{rack}}"),
            units.Watt,
            stacked=True,
        ),
        graph(
            "Nodes and their GPUs",
            "Power of the chosen nodes, and of their GPUs. What is between them is processors, fans and the rest.",
            [
                Query(f"sum({POWER})", "nodes"),
                Query(f"sum(instance:aidc_gpu_power_watts:sum{{{NODES}}})", "GPUs"),
            ],
            units.Watt,
        ),
        graph(
            "GPUs against their limits",
            "Power of all GPUs as a share of what their power limits allow.",
            Query(
                f"sum by (rack) (DCGM_FI_DEV_POWER_USAGE{{{NODES}}}) / sum by (rack)"
                f" (DCGM_FI_DEV_POWER_MGMT_LIMIT{{{NODES}}})",
                "{{rack}}",
            ),
            units.PercentUnit,
            high=1,
        ),
    )
    made.heading("Who takes it")
    made.line(
        listing(
            "Nodes, the greatest first",
            "Power of each node, where it was measured, and what its GPUs were doing meanwhile.",
            {"instance": "Node", "rack": "Rack", "source": "Measured at"},
            [
                Column("Power", f"topk(50, max by (instance, rack, source) ({POWER}))", units.Watt),
                Column("GPUs", f"max by (instance, rack) (instance:aidc_gpu_power_watts:sum{{{NODES}}})", units.Watt),
                Column(
                    "Used",
                    f"max by (instance, rack) (instance:aidc_gpu_utilization:avg{{{NODES}}})",
                    units.PercentUnit,
                    bar_to=1,
                    decimals=0,
                ),
            ],
            "Power",
        ),
        listing(
            "Jobs, the greatest first",
            "Jobs share the power of their nodes by the GPUs that they hold.",
            {"job_id": "Job", "user": "User", "account": "Account"},
            [
                Column(
                    "Power",
                    f"topk(50, sum by (job_id, user, account) (job:aidc_power_watts:sum{{{FLEET}}}))",
                    units.Watt,
                ),
                Column(
                    "Cost of an hour",
                    f"sum by (job_id, user, account) (job:aidc_energy_cost:per_hour{{{FLEET}}})",
                    units.Short,
                    decimals=2,
                ),
            ],
            "Power",
        ),
        height=9,
    )
    made.heading("Cost and waste")
    made.line(
        graph(
            "Cost of an hour",
            "What the energy costs, in the currency of the price.",
            Query(f"max(fleet:aidc_energy_cost:per_hour{{{FLEET}}})", "energy"),
            units.Short,
            no_value=PRICE,
        ),
        bars(
            "Power by account",
            "Power that falls to the running jobs of each account.",
            f"topk({TOP}, sum by (account) (job:aidc_power_watts:sum{{{FLEET}}}))",
            "{{account}}",
            units.Watt,
        ),
        bars(
            "GPUs that idle dearly",
            "GPUs that did nothing within half an hour and draw most power.",
            f"topk({TOP}, sum by (instance, gpu) (gpu:aidc_gpu_power_watts:avg{{{NODES}}}"
            f" and on (instance, UUID) max_over_time(gpu:aidc_gpu_utilization:avg{{{NODES}}}[30m]) < 0.05))",
            "{{instance}} GPU {{gpu}}",
            units.Watt,
            high_is_bad(100, 200),
            no_value="None idles",
            to_node=True,
        ),
    )
    return made.build()
