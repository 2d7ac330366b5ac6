# The page that is opened first: is the data centre well, is it used, and where to look next.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import ANY_IS_BAD, FLEET, NODES, PLACE, Query, high_is_bad, link, low_is_bad
from .page import Page, cluster, node, rack
from .panels import Column, bars, firing, graph, listing, stat

UP = f'up{{job="node_exporter",{NODES}}}'
OPEN = "open|held|quarantined"


def page() -> model.Dashboard:
    """The dashboard "Fleet overview"."""
    made = Page(
        "aidc-fleet",
        "Fleet overview",
        "Whether the data centre is well and used, and where to look next.",
        [cluster(), rack(), node()],
    )
    made.line(
        stat(
            "Nodes that answer",
            "Nodes whose node exporter answers Prometheus.",
            f"sum({UP})",
            units.Short,
        ),
        stat(
            "Nodes silent",
            "Nodes whose node exporter does not answer.",
            f"count({UP} == 0) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "GPUs missing",
            "GPUs that the hardware records or the inventory expect and that do not answer.",
            f"sum(clamp_min(aidc_gpus_expected - on (instance) group_right () aidc_gpus_present{{{NODES}}}, 0))"
            " or vector(0)",
            units.Short,
            ANY_IS_BAD,
            to=link("GPU health and faults", "aidc-gpu-health", ("rack", "node")),
        ),
        stat(
            "Critical alerts",
            "Alerts of severity critical that fire.",
            f'count(ALERTS{{alertstate="firing",severity="critical",{NODES}}}) or vector(0)',
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Open cases",
            "Cases that the remediation loop works on, holds for a person, or has put into quarantine.",
            f'sum(aidc_remediation_cases{{state=~"{OPEN}",{FLEET}}})',
            units.Short,
            high_is_bad(1, 10),
            to=link("Remediation", "aidc-remediation"),
        ),
        stat(
            "GPUs allocated",
            "Share of all GPUs that a job holds.",
            f"sum(fleet:aidc_gpus_allocated:count{{{FLEET}}}) / sum(fleet:aidc_gpus:count{{{FLEET}}})",
            units.PercentUnit,
            decimals=0,
            to=link("Capacity and plan", "aidc-capacity"),
        ),
        stat(
            "GPU utilisation",
            "Mean share of time that the GPUs of the chosen nodes were busy.",
            f"avg(instance:aidc_gpu_utilization:avg{{{NODES}}})",
            units.PercentUnit,
            low_is_bad(0.2, 0.5),
            decimals=0,
        ),
        stat(
            "Power",
            "Electrical power of the chosen nodes: from BMC or power strip where there is one, else of their GPUs.",
            f"sum(instance:aidc_power_watts:sum{{{NODES}}})",
            units.Watt,
            to=link("Energy and cost", "aidc-energy"),
        ),
        height=4,
    )
    made.heading("Use")
    made.line(
        graph(
            "GPUs: there, allocated, idle but held",
            "GPUs of the fleet, those that jobs hold, and those of them that did next to nothing for half an hour.",
            [
                Query(f"sum(fleet:aidc_gpus:count{{{FLEET}}})", "there"),
                Query(f"sum(fleet:aidc_gpus_allocated:count{{{FLEET}}})", "allocated"),
                Query(f"sum(fleet:aidc_gpus_idle_held:count{{{FLEET}}})", "idle but held"),
            ],
            units.Short,
        ),
        graph(
            "GPU utilisation by rack",
            "Mean share of time that the GPUs of a rack were busy.",
            Query(f"avg by (rack) (instance:aidc_gpu_utilization:avg{{{NODES}}})", "{{rack}}"),
            units.PercentUnit,
            high=1,
        ),
        graph(
            "Power by rack",
            "Electrical power of the nodes of a rack.",
            Query(f"sum by (rack) (instance:aidc_power_watts:sum{{{NODES}}})", "{{rack}}"),
            units.Watt,
            stacked=True,
        ),
    )
    made.heading("Health")
    made.line(
        firing("Alerts of the chosen nodes. The node leads to its page.", NODES),
        graph(
            "Alerts by severity",
            "How many alerts fire.",
            Query(f'count by (severity) (ALERTS{{alertstate="firing",alertname!="Watchdog",{NODES}}})', "{{severity}}"),
            units.Short,
            stacked=True,
            no_value="Nothing fires",
        ),
        bars(
            "Hottest racks",
            "The temperature of the hottest GPU of each rack.",
            f"topk(10, max by (rack) (instance:aidc_gpu_temperature_celsius:max{{{NODES}}}))",
            "{{rack}}",
            units.Celsius,
            high_is_bad(80, 88),
            high=100,
        ),
        widths=(12, 6, 6),
        height=9,
    )
    made.heading("Nodes")
    made.line(
        listing(
            "Nodes, the hottest first",
            "What each node does now. A heading sorts, a node leads to its page.",
            {"instance": "Node", "rack": "Rack"},
            [
                Column(
                    "GPU temperature",
                    f"max by (instance, rack) (instance:aidc_gpu_temperature_celsius:max{{{NODES}}})",
                    units.Celsius,
                    high_is_bad(80, 88),
                    decimals=0,
                ),
                Column("GPUs", f"max by (instance, rack) (instance:aidc_gpus:count{{{NODES}}})", units.Short),
                Column(
                    "GPU utilisation",
                    f"max by (instance, rack) (instance:aidc_gpu_utilization:avg{{{NODES}}})",
                    units.PercentUnit,
                    bar_to=1,
                    decimals=0,
                ),
                Column(
                    "GPU memory",
                    f"max by (instance, rack) (instance:aidc_gpu_memory_used:ratio{{{NODES}}})",
                    units.PercentUnit,
                    bar_to=1,
                    decimals=0,
                ),
                Column(
                    "CPU",
                    f"max by (instance, rack) (instance:aidc_cpu_utilization:ratio{{{NODES}}})",
                    units.PercentUnit,
                    high_is_bad(0.9, 0.98),
                    decimals=0,
                ),
                Column(
                    "Memory",
                    f"max by (instance, rack) (instance:aidc_memory_used:ratio{{{NODES}}})",
                    units.PercentUnit,
                    high_is_bad(0.9, 0.97),
                    decimals=0,
                ),
                Column("Power", f"max by (instance, rack) (instance:aidc_power_watts:sum{{{NODES}}})", units.Watt),
                Column(
                    "Alerts",
                    f'count by (instance, rack) (ALERTS{{alertstate="firing",instance!="",{NODES}}})'
                    f" or 0 * max by (instance, rack) ({UP})",
                    units.Short,
                    high_is_bad(1, 3),
                ),
            ],
            "GPU temperature",
        ),
        height=12,
    )
    made.line(
        graph(
            "Network of the nodes",
            "What all chosen nodes receive and send.",
            [
                Query(f"sum(instance:aidc_network_receive_bytes:rate5m{{{NODES}}})", "received"),
                Query(f"sum(instance:aidc_network_transmit_bytes:rate5m{{{NODES}}})", "sent"),
            ],
            units.BytesPerSecondSI,
        ),
        graph(
            "Disks of the nodes",
            "What all chosen nodes read from and write to their own disks.",
            [
                Query(f"sum(instance:aidc_disk_read_bytes:rate5m{{{NODES}}})", "read"),
                Query(f"sum(instance:aidc_disk_written_bytes:rate5m{{{NODES}}})", "written"),
            ],
            units.BytesPerSecondSI,
        ),
        graph(
            "Targets that do not answer",
            "Exporters that Prometheus cannot read, by job.",
            Query(f"sum by (job) (1 - up{{{PLACE}}})", "{{job}}"),
            units.Short,
            stacked=True,
        ),
    )
    return made.build()
