# Cases of the parts that wear out.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import BOARD, Case

RULES = ("aidc_prediction", "aidc_forecast")
ECC = "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"
DRIVE = '{n},device="nvme4"'
OTHER_DRIVE = '{n},device="nvme5"'
DISK = '{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"'
MOUNT = {"device": "/dev/md0", "mountpoint": "/scratch"}
CERTIFICATE = 'aidc_certificate_not_after_timestamp_seconds{{n},path="/etc/ssl/exporter.pem"}'
# Every half hour, for nine days: one an hour, and thirty an hour since yesterday.
GROWS = "0+0.5x384 192+15x60"
# As many as ever; one burst; and a counter that began anew yesterday.
STEADY, BURST, RESTARTED = "0+15x450", "0x420 5000x30", "9000x400 0x50"


def fan(name: str) -> str:
    return f'ipmi_fan_speed_rpm{{{{n}},name="{name}"}}'


def warmth(values: str) -> tuple[str, str]:
    return 'ipmi_temperature_celsius{{n},name="CPU1 Temp"}', values


CASES = (
    Case(
        "GpuRemapBanksRunLow",
        (("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_LOW{{g}}", "3x30"),),
        BOARD + "has 3 memory banks with few spare rows left",
        (
            ("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_LOW{{g}}", "0x30"),
            ("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL{{g}}", "3x30"),
        ),
        gpu=True,
        at="2h",
        interval="5m",
    ),
    Case(
        "GpuRemapBanksRunLow",
        (("DCGM_FI_DEV_BANK_REMAP_AVAIL_LOW{{g}}", "1x30"),),
        BOARD + "has 1 memory banks with few spare rows left",
        (("DCGM_FI_DEV_BANK_REMAP_AVAIL_LOW{{g}}", "0x30"),),
        gpu=True,
        at="2h",
        interval="5m",
    ),
    Case(
        "GpuRemapBanksShrink",
        (("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL{{g}}", "1x170 4x30"),),
        BOARD + "has 3 more memory banks with part of their spare rows left than a week ago",
        # Always so; and a GPU that is here since yesterday.
        (
            ("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL{{g}}", "4x200"),
            ("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_PARTIAL{{h}}", "_x165 4x35"),
        ),
        gpu=True,
        at="190h",
        interval="1h",
    ),
    Case(
        "GpuRowRemapsAccelerate",
        (
            ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{g}}", "1x160 4x30"),
            ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS{{g}}", "0x190"),
        ),
        BOARD + "remapped 3 memory rows within a week, more than twice as many as in the week before",
        # Two a week, as ever.
        (
            ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{g}}", "0x83 2x83 4x30"),
            ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS{{g}}", "0x200"),
        ),
        gpu=True,
        at="352h",
        interval="2h",
    ),
    Case(
        "GpuRowRemapsAccelerate",
        (
            ("DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL{{g}}", "1x190"),
            ("DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL{{g}}", "0x160 2x30"),
        ),
        BOARD + "remapped 2 memory rows within a week, more than twice as many as in the week before",
        # One row, as happens.
        (
            ("DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL{{g}}", "1x160 2x30"),
            ("DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL{{g}}", "0x190"),
        ),
        gpu=True,
        at="352h",
        interval="2h",
    ),
    Case(
        "GpuCorrectedErrorsAccelerate",
        ((ECC + "{{g}}", GROWS),),
        BOARD + "corrects 28 memory errors an hour since yesterday, far more than in the week before",
        ((ECC + "{{g}}", STEADY), (ECC + "{{h}}", BURST), (ECC + '{instance="n2",UUID="GPU-9"}', RESTARTED)),
        gpu=True,
        at="216h",
        interval="30m",
    ),
    Case(
        "MemoryErrorsAccelerate",
        (('node_edac_correctable_errors_total{{n},controller="1"}', GROWS),),
        "n1: its memory corrects 28 errors an hour since yesterday, far more than in the week before",
        (
            ('node_edac_correctable_errors_total{{n},controller="0"}', STEADY),
            ('node_edac_correctable_errors_total{{n},controller="1"}', BURST),
            ('node_edac_correctable_errors_total{{n},controller="2"}', RESTARTED),
        ),
        labels={"sensor": "1"},
        at="216h",
        interval="30m",
    ),
    Case(
        "InfinibandErrorsAccelerate",
        (
            ("node_infiniband_symbol_error_total{{p}}", GROWS),
            ("node_infiniband_port_errors_received_total{{p}}", "0x450"),
        ),
        "n1: port mlx5_0:1 has 28 errors an hour since yesterday, far more than in the week before",
        # The second one is here since yesterday.
        (
            ("node_infiniband_symbol_error_total{{p}}", STEADY),
            ('node_infiniband_symbol_error_total{{n},device="mlx5_1",port="1"}', "_x384 0+15x60"),
            ('node_infiniband_symbol_error_total{{n},device="mlx5_2",port="1"}', BURST),
        ),
        labels={"device": "mlx5_0", "port": "1"},
        at="216h",
        interval="30m",
    ),
    Case(
        "FanSpeedDrifts",
        ((fan("FAN 1"), "8000x350 6000x100"), (fan("FAN 2"), "8000x450"), (fan("FAN 3"), "8200x450"), warmth("50x450")),
        "n1: against its other fans FAN 1 turns at 75 % of the speed of a week ago, at the same temperature",
        # All of them, as the node works.
        (
            (fan("FAN 1"), "8000x350 12000x100"),
            (fan("FAN 2"), "8000x350 12000x100"),
            (fan("FAN 3"), "8200x350 12200x100"),
            warmth("50x450"),
        ),
        labels={"sensor": "FAN 1"},
        at="220h",
        interval="30m",
    ),
    Case(
        "FanSpeedDrifts",
        (
            (fan("FAN 1"), "8000x450"),
            (fan("FAN 2"), "8000x350 10000x100"),
            (fan("FAN 3"), "8000x450"),
            warmth("50x450"),
        ),
        "n1: against its other fans FAN 2 turns at 125 % of the speed of a week ago, at the same temperature",
        # The one that cools what got warm; and a node whose BMC shows no temperature.
        (
            (fan("FAN 1"), "8000x450"),
            (fan("FAN 2"), "8000x350 10000x100"),
            (fan("FAN 3"), "8000x450"),
            warmth("50x350 60x100"),
            ('ipmi_fan_speed_rpm{instance="n2",name="FAN 1"}', "8000x350 6000x100"),
            ('ipmi_fan_speed_rpm{instance="n2",name="FAN 2"}', "8000x450"),
            ('ipmi_fan_speed_rpm{instance="n2",name="FAN 3"}', "8000x450"),
        ),
        labels={"sensor": "FAN 2"},
        at="220h",
        interval="30m",
    ),
    Case(
        "DriveWearsOut",
        ((f"smartctl_device_percentage_used{{{DRIVE}}}", "60x18 61x10 62x10 63x10 66x20"),),
        "n1: the drive nvme4 will be worn out in 79.33 days",
        # Swapped for a used one; and one that has years left.
        (
            (f"smartctl_device_percentage_used{{{DRIVE}}}", "10x40 70x30"),
            (f"smartctl_device_percentage_used{{{OTHER_DRIVE}}}", "20x18 21x10 22x10 23x10 26x20"),
        ),
        labels={"device": "nvme4"},
        at="15d",
        interval="6h",
    ),
    Case(
        "DriveSpareRunsOut",
        (
            (f"smartctl_device_available_spare{{{DRIVE}}}", "60x18 55x10 50x10 45x10 40x20"),
            (f"smartctl_device_available_spare_threshold{{{DRIVE}}}", "10x70"),
        ),
        "n1: the drive nvme4 will be out of spare blocks in 21 days",
        (
            (f"smartctl_device_available_spare{{{DRIVE}}}", "100x18 99x30 98x20"),
            (f"smartctl_device_available_spare_threshold{{{DRIVE}}}", "10x70"),
        ),
        labels={"device": "nvme4"},
        at="15d",
        interval="6h",
    ),
    Case(
        "FilesystemFillsWithinDay",
        (
            (f"node_filesystem_avail_bytes{{{DISK}}}", "50-0.12x250"),
            (f"node_filesystem_size_bytes{{{DISK}}}", "100x250"),
        ),
        "n1: /scratch will be full within a day",
        # Checkpoints that are written and removed.
        (
            (f"node_filesystem_avail_bytes{{{DISK}}}", "40-1x20 " * 11),
            (f"node_filesystem_size_bytes{{{DISK}}}", "100x250"),
        ),
        labels=MOUNT,
        at="14h",
        interval="4m",
    ),
    Case(
        "FilesystemFillsWithinHours",
        (
            (f"node_filesystem_avail_bytes{{{DISK}}}", "30-0.15x150"),
            (f"node_filesystem_size_bytes{{{DISK}}}", "100x150"),
        ),
        "n1: /scratch will be full within four hours",
        # One large file, half an hour ago; and a fast one with room for days.
        (
            (f"node_filesystem_avail_bytes{{{DISK}}}", "29x90 12x60"),
            (f"node_filesystem_size_bytes{{{DISK}}}", "100x150"),
            ('node_filesystem_avail_bytes{{n},device="/dev/md1",mountpoint="/data",fstype="xfs"}', "90-0.15x150"),
            ('node_filesystem_size_bytes{{n},device="/dev/md1",mountpoint="/data",fstype="xfs"}', "100x150"),
        ),
        labels=MOUNT,
        at="2h",
        interval="1m",
    ),
    Case(
        "CertificateExpires",
        ((CERTIFICATE, "864000x30"),),
        "n1: a certificate ends in 9d 22h 0m 0s (/etc/ssl/exporter.pem)",
        ((CERTIFICATE, "2592000x30"),),
        labels={"path": "/etc/ssl/exporter.pem"},
        at="2h",
        interval="5m",
    ),
    Case(
        "CertificateExpires",
        (("probe_ssl_earliest_cert_expiry{{n}}", "864000x30"),),
        "n1: a certificate ends in 9d 22h 0m 0s",
        # A probe that saw no certificate.
        (("probe_ssl_earliest_cert_expiry{{n}}", "-62135596800x30"),),
        at="2h",
        interval="5m",
    ),
    Case(
        "CertificateEnds",
        ((CERTIFICATE, "86400x30"),),
        "n1: a certificate has ended, or will within two days (/etc/ssl/exporter.pem)",
        ((CERTIFICATE, "864000x30"),),
        labels={"path": "/etc/ssl/exporter.pem"},
        at="2h",
        interval="5m",
    ),
)
