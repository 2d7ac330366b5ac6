# File systems, drives and arrays: what is full, slow, worn or broken.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import ANY_IS_BAD, NODES, RED, TOP, Query, high_is_bad, low_is_bad, rate, words
from .page import Page, cluster, node, rack
from .panels import Column, bars, firing, graph, listing, stat

KEPT = f'fstype!~"tmpfs|ramfs|squashfs|iso9660|overlay",{NODES}'
PLACE_OF_FILES = "instance, mountpoint"
EACH_DISK = "{{instance}} {{device}}"
DISKS = f'device!~"(dm-|md|loop|ram|sr|zram).*",{NODES}'
STORAGE_FAULTS = 'alertname=~"Nvme.*|Drive.*|Filesystem.*|RemoteFilesystem.*|Inodes.*"'
FULL_SOON = (
    f"(node_filesystem_avail_bytes{{{KEPT}}} / clamp_min(-deriv(node_filesystem_avail_bytes{{{KEPT}}}[6h]), 1)"
    f" and deriv(node_filesystem_avail_bytes{{{KEPT}}}[6h]) < -1)"
)


def page() -> model.Dashboard:
    """The dashboard "Storage"."""
    made = Page(
        "aidc-storage",
        "Storage",
        "File systems, drives and arrays: what is full, slow, worn or broken.",
        [cluster(), rack(), node()],
        alerts=f"{STORAGE_FAULTS},{NODES}",
    )
    made.line(
        stat(
            "File systems full",
            "File systems of which less than a twentieth is free.",
            f"count(node_filesystem_avail_bytes{{{KEPT}}} / node_filesystem_size_bytes{{{KEPT}}} < 0.05) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Full within a day",
            "File systems that are full within a day if they go on as in the last six hours.",
            f"count(predict_linear(node_filesystem_avail_bytes{{{KEPT}}}[6h], 86400) < 0) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Read-only",
            "File systems that are mounted for reading only, which some are on purpose.",
            f'sum(node_filesystem_readonly{{fstype=~"ext4|xfs|btrfs|f2fs",{NODES}}})',
            units.Short,
            high_is_bad(1, 5),
        ),
        stat(
            "Do not answer",
            "File systems whose size could not be read, as of a server that hangs.",
            f"sum(node_filesystem_device_error{{{KEPT}}})",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Drives that fail",
            "Drives whose own check says that they are failing.",
            f"count(smartctl_device_smart_status{{{NODES}}} == 0) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Least spare",
            "The smallest share of spare blocks that a drive has left.",
            f"min(smartctl_device_available_spare{{{NODES}}})",
            units.Percent,
            low_is_bad(10, 30),
            no_value="no drive tells",
        ),
        stat(
            "Arrays without a drive",
            "Drives that failed in arrays.",
            f'sum(node_md_disks{{state="failed",{NODES}}}) or vector(0)',
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Throughput",
            "What the chosen nodes read and write.",
            f"sum(instance:aidc_disk_read_bytes:rate5m{{{NODES}}}) +"
            f" sum(instance:aidc_disk_written_bytes:rate5m{{{NODES}}})",
            units.BytesPerSecondSI,
        ),
        height=4,
    )
    made.heading("File systems")
    made.line(
        listing(
            "File systems, the fullest first",
            "How full they are, how many files they can still take, and when they are full at the pace of six hours.",
            {"instance": "Node", "mountpoint": "Mounted at"},
            [
                Column(
                    "Used",
                    f"topk(50, max by ({PLACE_OF_FILES}) (1 - node_filesystem_avail_bytes{{{KEPT}}}"
                    f" / node_filesystem_size_bytes{{{KEPT}}}))",
                    units.PercentUnit,
                    high_is_bad(0.85, 0.95),
                    decimals=0,
                ),
                Column("Free", f"min by ({PLACE_OF_FILES}) (node_filesystem_avail_bytes{{{KEPT}}})", units.BytesIEC),
                Column(
                    "Files",
                    f"max by ({PLACE_OF_FILES}) (1 - node_filesystem_files_free{{{KEPT}}} /"
                    f" (node_filesystem_files{{{KEPT}}} > 0))",
                    units.PercentUnit,
                    high_is_bad(0.85, 0.95),
                    decimals=0,
                ),
                Column(
                    "Full in",
                    f"min by ({PLACE_OF_FILES}) ({FULL_SOON})",
                    units.Seconds,
                    low_is_bad(86400, 7 * 86400),
                    decimals=0,
                ),
            ],
            "Used",
        ),
        firing("Alerts of drives and file systems.", f"{STORAGE_FAULTS},{NODES}"),
        widths=(16, 8),
        height=9,
    )
    made.heading("Drives at work")
    made.line(
        graph(
            "Busiest drives",
            "Share of time that a drive had something to do.",
            Query(
                f"topk({TOP}, max by (instance, device) ({rate('node_disk_io_time_seconds_total', DISKS)}))",
                EACH_DISK,
            ),
            units.PercentUnit,
            high=1,
            to_node=True,
        ),
        graph(
            "Slowest drives",
            "Mean time of a read or a write, waiting included.",
            Query(
                f"topk({TOP}, max by (instance, device) ("
                f"({rate('node_disk_read_time_seconds_total', DISKS)}"
                f" + {rate('node_disk_write_time_seconds_total', DISKS)})"
                f" / clamp_min({rate('node_disk_reads_completed_total', DISKS)}"
                f" + {rate('node_disk_writes_completed_total', DISKS)}, 0.001)))",
                EACH_DISK,
            ),
            units.Seconds,
            to_node=True,
        ),
        graph(
            "Throughput",
            "What the chosen nodes read from and write to their own drives.",
            [
                Query(f"sum(instance:aidc_disk_read_bytes:rate5m{{{NODES}}})", "read"),
                Query(f"sum(instance:aidc_disk_written_bytes:rate5m{{{NODES}}})", "written"),
            ],
            units.BytesPerSecondSI,
        ),
    )
    made.heading("Drives that wear out")
    made.line(
        listing(
            "Drives, the most worn first",
            "What the drives say about themselves; from the role disk_exporter.",
            {"instance": "Node", "device": "Drive"},
            [
                Column(
                    "Worn",
                    f"topk(50, max by (instance, device) (smartctl_device_percentage_used{{{NODES}}}))",
                    units.Percent,
                    high_is_bad(80, 95),
                ),
                Column(
                    "Spare",
                    f"min by (instance, device) (smartctl_device_available_spare{{{NODES}}})",
                    units.Percent,
                    low_is_bad(10, 30),
                ),
                Column(
                    "Media errors",
                    f"max by (instance, device) (smartctl_device_media_errors{{{NODES}}})",
                    units.Short,
                    ANY_IS_BAD,
                ),
                Column(
                    "Healthy",
                    f"min by (instance, device) (smartctl_device_smart_status{{{NODES}}})",
                    texts=words({"1": ("yes", "green"), "0": ("no", RED)}),
                ),
            ],
            "Worn",
            no_value="No drive tells",
        ),
        bars(
            "Drives that wear fastest",
            "Growth of the wear within thirty days.",
            f"topk({TOP}, max by (instance, device) (smartctl_device_percentage_used{{{NODES}}}"
            f" - min_over_time(smartctl_device_percentage_used{{{NODES}}}[30d])))",
            EACH_DISK,
            units.Percent,
            high_is_bad(5, 10),
            no_value="No drive tells",
            to_node=True,
        ),
        widths=(14, 10),
    )
    return made.build()
