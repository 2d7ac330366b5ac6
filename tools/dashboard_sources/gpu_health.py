# Which GPUs are sick, of what, and which will be.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import (
    ANY_IS_BAD,
    ANY_IS_ODD,
    FLEET,
    GPUS,
    NODES,
    PCIE_REPLAYS,
    RED,
    ROW_REMAP_FAILURE,
    TOP,
    YES_IS_BAD,
    Query,
    either,
    high_is_bad,
    rate,
    words,
)
from .page import Page, cluster, gpu, node, rack
from .panels import Column, bars, graph, listing, stat, states

EACH = "{{instance}} GPU {{gpu}}"
BY_GPU = "instance, gpu"
ACTIONS = words(
    {
        "0": ("none", "green"),
        "1": ("reset", "orange"),
        "2": ("reboot", RED),
        "3": ("drain", RED),
        "4": ("drain and reset", RED),
    }
)

# What is above zero on a GPU that is not well.
FINDINGS = (
    "aidc_gpu_lost",
    "aidc_gpu_stale",
    "aidc_gpu_thermal_slowdown",
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
    "DCGM_FI_DEV_ROW_REMAP_PENDING",
    "DCGM_FI_DEV_XID_ERRORS",
    *ROW_REMAP_FAILURE,
)


def page() -> model.Dashboard:
    """The dashboard "GPU health and faults"."""
    made = Page(
        "aidc-gpu-health",
        "GPU health and faults",
        "Which GPUs are sick, of what, and which will be.",
        [cluster(), rack(), node(), gpu()],
        alerts=f'fault_class=~"gpu_.*|nvlink.*|pcie.*|driver.*|nvml.*|fabric.*",{NODES}',
    )
    made.line(
        stat(
            "GPUs lost",
            "GPUs of which the driver says that they have fallen off the bus.",
            f"sum(aidc_gpu_lost{{{GPUS}}})",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "GPUs that hang",
            "GPUs that did not answer the exporter in time.",
            f"sum(aidc_gpu_stale{{{GPUS}}})",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Errors of the driver",
            "XID errors within the window of the exporter, five minutes by default.",
            f"sum(DCGM_EXP_XID_ERRORS_COUNT{{{GPUS}}}) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Uncorrectable errors",
            "Memory errors since the driver was loaded that ECC could not correct.",
            f"sum(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{GPUS}}})",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Waiting for a reset",
            "GPUs with a memory row that a reset will remap.",
            f"sum(DCGM_FI_DEV_ROW_REMAP_PENDING{{{GPUS}}})",
            units.Short,
            ANY_IS_ODD,
        ),
        stat(
            "Remapping failed",
            "GPUs with a faulty memory row and no spare one: they have to be replaced.",
            f"sum({either(ROW_REMAP_FAILURE, GPUS)})",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Held down by heat",
            "GPUs whose clocks are held down by heat.",
            f"sum(aidc_gpu_thermal_slowdown{{{GPUS}}})",
            units.Short,
            ANY_IS_ODD,
        ),
        stat(
            "Drivers that do not answer",
            "Nodes whose GPU driver does not answer at all.",
            f"count(aidc_nvml_up{{{NODES}}} == 0) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        height=4,
    )
    made.heading("Faults")
    made.line(
        listing(
            "GPUs with a finding, the worst first",
            "GPUs that are lost, hang, have errors or wait for a repair. The number of the kinds of findings"
            " decides the order.",
            {"instance": "Node", "gpu": "GPU"},
            [
                Column(
                    "Findings",
                    f"count by ({BY_GPU}) ({either(FINDINGS, GPUS)} > 0)",
                    units.Short,
                    high_is_bad(1, 2),
                    decimals=0,
                ),
                Column("Lost", f"max by ({BY_GPU}) (aidc_gpu_lost{{{GPUS}}})", texts=YES_IS_BAD),
                Column("Hangs", f"max by ({BY_GPU}) (aidc_gpu_stale{{{GPUS}}})", texts=YES_IS_BAD),
                Column(
                    "Uncorrectable",
                    f"max by ({BY_GPU}) (DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{GPUS}}})",
                    units.Short,
                    ANY_IS_BAD,
                ),
                Column(
                    "Remap pending", f"max by ({BY_GPU}) (DCGM_FI_DEV_ROW_REMAP_PENDING{{{GPUS}}})", texts=YES_IS_BAD
                ),
                Column("Last XID", f"max by ({BY_GPU}) (DCGM_FI_DEV_XID_ERRORS{{{GPUS}}})", limits=ANY_IS_BAD),
                Column("Too hot", f"max by ({BY_GPU}) (aidc_gpu_thermal_slowdown{{{GPUS}}})", texts=YES_IS_BAD),
            ],
            "Findings",
            no_value="No GPU has a finding",
        ),
        bars(
            "Alerts by class of fault",
            "Alerts of GPUs, their links and their driver that fire, by the class in the fault catalogue.",
            'count by (fault_class) (ALERTS{alertstate="firing",'
            f'fault_class=~"gpu_.*|nvlink.*|pcie.*|driver.*|nvml.*|fabric.*",{NODES}}})',
            "{{fault_class}}",
            units.Short,
            ANY_IS_BAD,
            no_value="Nothing fires",
        ),
        widths=(16, 8),
        height=9,
    )
    made.line(
        graph(
            "Errors of the driver by code",
            "XID errors within the window of the exporter; the page of the fault catalogue explains the codes.",
            Query(f"sum by (xid) (DCGM_EXP_XID_ERRORS_COUNT{{{GPUS}}})", "XID {{xid}}"),
            units.Short,
            stacked=True,
            no_value="None",
        ),
        states(
            "What the driver asks for",
            "The repair that the driver itself asks for; only GPUs that ask for one within the time shown.",
            Query(
                f"max by ({BY_GPU}) (aidc_gpu_recovery_action{{{GPUS}}})"
                f" and on ({BY_GPU}) max_over_time(aidc_gpu_recovery_action{{{GPUS}}}[$__range]) > 0",
                EACH,
            ),
            ACTIONS,
            no_value="No GPU asks for a repair",
            to_node=True,
        ),
        graph(
            "Corrected memory errors",
            "Memory errors that ECC corrected, a minute: the GPUs with the most. More and more of them come"
            " before a fault.",
            Query(
                f"topk({TOP}, sum by ({BY_GPU}) ({rate('DCGM_FI_DEV_ECC_SBE_VOL_TOTAL', GPUS)}) * 60)",
                EACH,
            ),
            units.CountsPerMinute,
            to_node=True,
        ),
    )
    made.heading("Memory that wears out")
    made.line(
        bars(
            "Remapped rows",
            "Memory rows that were replaced by spare ones in the life of a GPU.",
            f"topk({TOP}, sum by ({BY_GPU}) (DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS{{{GPUS}}})"
            f" + sum by ({BY_GPU}) (DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{{GPUS}}})) > 0",
            EACH,
            units.Short,
            high_is_bad(1, 8),
            no_value="None",
            to_node=True,
        ),
        bars(
            "Errors in the life of a GPU",
            "Memory errors that ECC corrected since the GPU was made.",
            f"topk({TOP}, sum by ({BY_GPU}) (DCGM_FI_DEV_ECC_SBE_AGG_TOTAL{{{GPUS}}}))",
            EACH,
            units.Short,
            high_is_bad(100, 1000),
            to_node=True,
        ),
        height=7,
    )
    made.heading("Heat, clocks and links")
    made.line(
        graph(
            "Hottest GPUs",
            "Temperature of the hottest GPUs.",
            Query(f"topk({TOP}, gpu:aidc_gpu_temperature_celsius:max{{{GPUS}}})", EACH),
            units.Celsius,
            limits=high_is_bad(80, 88),
            low=None,
            to_node=True,
        ),
        graph(
            "Slowest GPUs under load",
            "SM clock of the slowest of the GPUs that are busy for more than four fifths of the time.",
            Query(
                f"bottomk({TOP}, gpu:aidc_gpu_sm_clock_mhz:avg{{{GPUS}}}"
                f" and on (instance, UUID) gpu:aidc_gpu_utilization:avg{{{GPUS}}} > 0.8) * 1e6",
                EACH,
            ),
            units.Hertz,
            low=None,
            no_value="No GPU is busy",
            to_node=True,
        ),
        graph(
            "PCIe transfers repeated",
            "Transfers between GPU and host that had to be repeated, a minute: the GPUs with the most.",
            Query(f"topk({TOP}, sum by ({BY_GPU}) (rate({either(PCIE_REPLAYS, GPUS)}[$__rate_interval])) * 60)", EACH),
            units.CountsPerMinute,
            limits=high_is_bad(8, 60),
            to_node=True,
        ),
    )
    made.line(
        bars(
            "NVLinks that are down",
            "Links between GPUs that were up within the last week and are not now.",
            f"topk({TOP}, max by ({BY_GPU}) (max_over_time(aidc_gpu_nvlinks_active{{{GPUS}}}[7d]) -"
            f" aidc_gpu_nvlinks_active{{{GPUS}}}))",
            EACH,
            units.Short,
            ANY_IS_BAD,
            to_node=True,
        ),
        bars(
            "PCIe lanes that are missing",
            "Lanes that GPU and slot could use and do not.",
            f"topk({TOP}, max by ({BY_GPU}) (DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH{{{GPUS}}} -"
            f" DCGM_FI_DEV_PCIE_LINK_WIDTH{{{GPUS}}}))",
            EACH,
            units.Short,
            ANY_IS_BAD,
            to_node=True,
        ),
        graph(
            "GPUs by release of the driver",
            "More than one release is a fleet in the middle of an upgrade, or one that drifts.",
            Query(
                f'count by (DCGM_FI_DRIVER_VERSION) (DCGM_FI_DEV_GPU_UTIL{{{FLEET},rack=~"$rack"}})',
                "{{DCGM_FI_DRIVER_VERSION}}",
            ),
            units.Short,
            stacked=True,
        ),
        height=7,
    )
    return made.build()
