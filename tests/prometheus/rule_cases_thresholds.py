# Cases of the thresholds.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import BOARD, Case

RULES = ("aidc_thresholds",)
DISK = '{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"'
TEMPORARY = '{n},device="tmpfs",mountpoint="/run",fstype="tmpfs"'
REMOTE = '{n},device="s1:/home",mountpoint="/home",fstype="nfs4"'
CARD = '{n},device="eth0"'
MOUNT = {"device": "/dev/md0", "mountpoint": "/scratch"}

CASES = (
    Case(
        "CpuBusy",
        (("instance:aidc_cpu_utilization:ratio{{n}}", "0.98x80"),),
        "n1: its processors are busy to 98 %",
        # Busy for ten minutes.
        (("instance:aidc_cpu_utilization:ratio{{n}}", "0.4x60 1x20"),),
        at="40m",
    ),
    Case(
        "MemoryShort",
        (("instance:aidc_memory_used:ratio{{n}}", "0.97x80"),),
        "n1: 97 % of its memory is used",
        (("instance:aidc_memory_used:ratio{{n}}", "0.5x66 0.99x14"),),
        at="40m",
    ),
    Case(
        "FilesystemNearlyFull",
        ((f"node_filesystem_avail_bytes{{{DISK}}}", "1e11x70"), (f"node_filesystem_size_bytes{{{DISK}}}", "1e12x70")),
        "n1: /scratch is full to 90 %",
        # Room enough; not of this node; made of memory; and a medium that was full when it was written.
        (
            (f"node_filesystem_avail_bytes{{{DISK}}}", "2e11x70"),
            (f"node_filesystem_size_bytes{{{DISK}}}", "1e12x70"),
            (f"node_filesystem_avail_bytes{{{REMOTE}}}", "0x70"),
            (f"node_filesystem_size_bytes{{{REMOTE}}}", "1e12x70"),
            (f"node_filesystem_avail_bytes{{{TEMPORARY}}}", "0x70"),
            (f"node_filesystem_size_bytes{{{TEMPORARY}}}", "1e9x70"),
            ('node_filesystem_avail_bytes{{n},device="/dev/sr0",mountpoint="/media",fstype="udf"}', "0x70"),
            ('node_filesystem_size_bytes{{n},device="/dev/sr0",mountpoint="/media",fstype="udf"}', "1e9x70"),
            ('node_filesystem_readonly{{n},device="/dev/sr0",mountpoint="/media",fstype="udf"}', "1x70"),
        ),
        labels=MOUNT,
    ),
    Case(
        "InodesNearlyUsed",
        ((f"node_filesystem_files_free{{{DISK}}}", "1000x70"), (f"node_filesystem_files{{{DISK}}}", "10000x70")),
        "n1: 90 % of the inodes of /scratch are used",
        # Some file systems have none to run out of.
        ((f"node_filesystem_files_free{{{DISK}}}", "0x70"), (f"node_filesystem_files{{{DISK}}}", "0x70")),
        labels=MOUNT,
    ),
    Case(
        "InletTooWarm",
        (('ipmi_temperature_celsius{{n},name="Inlet Temp"}', "38x70"),),
        "n1: the air that it takes in has 38 °C (Inlet Temp)",
        (
            ('ipmi_temperature_celsius{{n},name="Inlet Temp"}', "27x70"),
            ('ipmi_temperature_celsius{{n},name="CPU1 Temp"}', "71x70"),
        ),
        labels={"sensor": "Inlet Temp"},
    ),
    Case(
        "NetworkBusy",
        (
            (f"node_network_transmit_bytes_total{{{CARD}}}", "0+3.6e10x70"),
            (f"node_network_speed_bytes{{{CARD}}}", "1.25e9x70"),
        ),
        "n1: eth0 is used to 96 % of its speed",
        # Half busy; a bridge within the node, which claims any speed; a link that is down, without one; and InfiniBand.
        (
            (f"node_network_transmit_bytes_total{{{CARD}}}", "0+1.8e10x70"),
            (f"node_network_receive_bytes_total{{{CARD}}}", "0+1.8e10x70"),
            (f"node_network_speed_bytes{{{CARD}}}", "1.25e9x70"),
            ('node_network_transmit_bytes_total{{n},device="veth12ab"}', "0+6e10x70"),
            ('node_network_speed_bytes{{n},device="veth12ab"}', "1.25e9x70"),
            ('node_network_transmit_bytes_total{{n},device="eth1"}', "0+1x70"),
            ('node_network_speed_bytes{{n},device="eth1"}', "-125000x70"),
            ('node_network_transmit_bytes_total{{n},device="ib0"}', "0+1e12x70"),
            ('node_network_speed_bytes{{n},device="ib0"}', "1.25e9x70"),
        ),
        labels={"device": "eth0"},
    ),
    Case(
        "NetworkErrors",
        (
            (f"node_network_receive_errs_total{{{CARD}}}", "0+30x120"),
            (f"node_network_transmit_errs_total{{{CARD}}}", "0x120"),
            (f"node_network_receive_packets_total{{{CARD}}}", "0+20000x120"),
            (f"node_network_transmit_packets_total{{{CARD}}}", "0+10000x120"),
        ),
        "n1: eth0 damages 0.1 % of its packets",
        # Five in an hour, on a link that carries nothing.
        (
            (f"node_network_receive_errs_total{{{CARD}}}", "0x100 5x20"),
            (f"node_network_transmit_errs_total{{{CARD}}}", "0x120"),
            (f"node_network_receive_packets_total{{{CARD}}}", "0+1x120"),
            (f"node_network_transmit_packets_total{{{CARD}}}", "0+1x120"),
        ),
        labels={"device": "eth0"},
        at="55m",
    ),
    Case(
        "NetworkDrops",
        (
            (f"node_network_receive_drop_total{{{CARD}}}", "0+600x120"),
            (f"node_network_transmit_drop_total{{{CARD}}}", "0x120"),
            (f"node_network_receive_packets_total{{{CARD}}}", "0+20000x120"),
            (f"node_network_transmit_packets_total{{{CARD}}}", "0+10000x120"),
        ),
        "n1: eth0 drops 2 % of its packets",
        # Packets of protocols that nobody speaks are dropped on any link.
        (
            (f"node_network_receive_drop_total{{{CARD}}}", "0+1x120"),
            (f"node_network_transmit_drop_total{{{CARD}}}", "0x120"),
            (f"node_network_receive_packets_total{{{CARD}}}", "0+5x120"),
            (f"node_network_transmit_packets_total{{{CARD}}}", "0+5x120"),
        ),
        labels={"device": "eth0"},
        at="55m",
    ),
    Case(
        "GpuHot",
        (("DCGM_FI_DEV_GPU_TEMP{{g}}", "89x70"),),
        BOARD + "has 89 °C",
        # Hot for two minutes, and then at its limit.
        (("DCGM_FI_DEV_GPU_TEMP{{g}}", "70x50 90x4 85x16"),),
        gpu=True,
    ),
    Case(
        "GpuHot",
        (("DCGM_FI_DEV_GPU_TEMP_CELSIUS{{g}}", "89x70"),),
        BOARD + "has 89 °C",
        (("DCGM_FI_DEV_GPU_TEMP_CELSIUS{{g}}", "70x70"),),
        gpu=True,
    ),
    Case(
        "GpuMemoryHot",
        (("DCGM_FI_DEV_MEMORY_TEMP{{g}}", "101x70"),),
        BOARD + "its memory has 101 °C",
        (("DCGM_FI_DEV_MEMORY_TEMP_CELSIUS{{g}}", "90x70"),),
        gpu=True,
    ),
    Case(
        "GpuMemoryUsed",
        (("DCGM_FI_DEV_FB_USED{{g}}", "81500x80"), ("DCGM_FI_DEV_FB_FREE{{g}}", "100x80")),
        BOARD + "its memory is used to 99.88 %",
        # As a framework takes it; and a GPU that shows no memory at all.
        (
            ("DCGM_FI_DEV_FB_USED{{g}}", "77000x80"),
            ("DCGM_FI_DEV_FB_FREE{{g}}", "4500x80"),
            ("DCGM_FI_DEV_FB_USED{{h}}", "0x80"),
            ("DCGM_FI_DEV_FB_FREE{{h}}", "0x80"),
        ),
        gpu=True,
        at="40m",
    ),
    Case(
        "GpuPowerAboveLimit",
        (("DCGM_FI_DEV_POWER_USAGE{{g}}", "550x70"), ("DCGM_FI_DEV_POWER_MGMT_LIMIT{{g}}", "500x70")),
        BOARD + "draws 110 % of its power limit",
        # A busy one; and one whose limit is unknown.
        (
            ("DCGM_FI_DEV_POWER_USAGE{{g}}", "503x70"),
            ("DCGM_FI_DEV_POWER_MGMT_LIMIT{{g}}", "500x70"),
            ("DCGM_FI_DEV_POWER_USAGE{{h}}", "503x70"),
            ("DCGM_FI_DEV_POWER_MGMT_LIMIT{{h}}", "0x70"),
        ),
        gpu=True,
    ),
    Case(
        "GpuPowerAboveLimit",
        # The limit that holds is the enforced one.
        (
            ("DCGM_FI_DEV_BOARD_POWER_WATTS{{g}}", "440x70"),
            ("DCGM_FI_DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS{{g}}", "400x70"),
            ("DCGM_FI_DEV_BOARD_POWER_LIMIT_REQUESTED_WATTS{{g}}", "500x70"),
        ),
        BOARD + "draws 110 % of its power limit",
        (("DCGM_FI_DEV_BOARD_POWER_WATTS{{g}}", "440x70"),),
        gpu=True,
    ),
    Case(
        "GpuCorrectedErrorsMany",
        (("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{{g}}", "0+2x150"),),
        BOARD + "corrected 240 memory errors in an hour",
        # Many, but long ago; and a counter that began anew.
        (("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL{{g}}", "5000x100 0x50"),),
        gpu=True,
        at="70m",
    ),
)
