# What is watched of each kind of device, what counts as its failure, and which trend rules it has; data.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import trends

_BANKS = '{__name__=~"DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_%s|DCGM_FI_DEV_BANK_REMAP_AVAIL_%s"}'
_ERRORS = "gpu:aidc_corrected_errors:increase1h"


def _attribute(number: int) -> str:
    return f'smartctl_device_attribute{{attribute_id="{number}",attribute_value_type="raw"}}'


@dataclass(frozen=True)
class Measure:
    """One series of a device. *expression* is PromQL, without the aggregation by device; *counter*: it only rises."""

    name: str
    expression: str
    counter: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of device.

    *label* names the device within its node, *model* is a pair of a series and the label in it that tells its model.
    *failures* are the fault classes that count as its failure, *planned* is that of the maintenance that is asked for.
    *shipped* are trend rules by the names of their alerts; *likewise* are such rules on measures that no alert watches.
    """

    name: str
    label: str
    model: tuple[str, str]
    measures: tuple[Measure, ...]
    failures: tuple[str, ...]
    planned: str
    shipped: t.Mapping[str, trends.Trend]
    likewise: t.Mapping[str, trends.Trend]


_DRIVE = Kind(
    name="drive",
    label="device",
    model=("smartctl_device", "model_name"),
    measures=(
        Measure("used", "smartctl_device_percentage_used"),
        Measure("spare", "smartctl_device_available_spare - smartctl_device_available_spare_threshold"),
        Measure("temperature", 'smartctl_device_temperature{temperature_type="current"}'),
        Measure("media_errors", "smartctl_device_media_errors", counter=True),
        # Attributes of ATA drives; that these five tell most about failures is what operators of many disks found.
        Measure("reallocated", _attribute(5), counter=True),
        Measure("reported_uncorrectable", _attribute(187), counter=True),
        Measure("timeouts", _attribute(188), counter=True),
        Measure("pending", _attribute(197)),
        Measure("offline_uncorrectable", _attribute(198), counter=True),
    ),
    failures=("nvme_failing",),
    planned="nvme_worn",
    shipped={"DriveWearsOut": trends.wears_out("used"), "DriveSpareRunsOut": trends.runs_out("spare")},
    likewise={
        name: trends.grows_faster(name)
        for name in ("media_errors", "reallocated", "reported_uncorrectable", "pending", "offline_uncorrectable")
    },
)
_GPU = Kind(
    name="gpu",
    label="pci_bus_id",
    model=("DCGM_FI_DEV_GPU_TEMP", "modelName"),
    measures=(
        Measure("remapped", "gpu:aidc_remapped_rows:sum", counter=True),
        Measure("banks_low", _BANKS % ("LOW", "LOW")),
        Measure("banks_partial", _BANKS % ("PARTIAL", "PARTIAL")),
        Measure("corrected_mean", f"avg_over_time({_ERRORS}[1d:1h])"),
        Measure("corrected_hours", f"count_over_time(({_ERRORS} > 10)[1d:1h])"),
        Measure("corrected_week", f"avg_over_time({_ERRORS}[7d:1h] offset 1d)"),
        Measure("corrected_week_hours", f"count_over_time({_ERRORS}[7d:1h] offset 1d)"),
        Measure("temperature", "avg_over_time(gpu:aidc_gpu_temperature_celsius:max[1d:30m])"),
    ),
    failures=(
        "gpu_ecc_uncorrectable",
        "gpu_ecc_uncontained",
        "gpu_row_remap_exhausted",
        "gpu_row_remap_failure",
        "gpu_sram_threshold",
        "gpu_fell_off_bus",
    ),
    planned="gpu_wearing",
    shipped={
        "GpuRemapBanksRunLow": trends.above("banks_low", 0),
        "GpuRemapBanksShrink": trends.grew("banks_partial", 2),
        "GpuRowRemapsAccelerate": trends.grows_faster("remapped"),
        "GpuCorrectedErrorsAccelerate": trends.errors_accelerate("corrected", 10),
    },
    likewise={},
)
KINDS: t.Mapping[str, Kind] = {kind.name: kind for kind in (_DRIVE, _GPU)}


def query(kind: Kind, measure: Measure) -> str:
    """The PromQL of one measure: one series for each device."""
    return f"max by (instance, {kind.label}) ({measure.expression})"


def model_query(kind: Kind) -> str:
    """The PromQL whose labels tell the model of each device."""
    series, label = kind.model
    return f"max by (instance, {kind.label}, {label}) ({series})"
