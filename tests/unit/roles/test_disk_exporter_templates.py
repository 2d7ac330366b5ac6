# Tests of what the role disk_exporter writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
from typing import Any

from render import render


def unit(template: str, **variables: Any) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(render("disk_exporter", template, **variables))
    return parsed


def test_the_program_writes_where_the_node_exporter_reads() -> None:
    service = unit("aidc-disk-exporter.service.j2", node_exporter_textfile_dir="/srv/texts")["Service"]
    assert service["ExecStart"] == (
        "/usr/bin/python3 /usr/local/lib/aidc_ops/disk_exporter.py --smartctl /usr/sbin/smartctl --timeout 20"
        " --output /srv/texts/aidc_disks.prom"
    )
    assert service["ReadWritePaths"] == "/srv/texts"
    assert service["Type"] == "oneshot"


def test_a_smartctl_that_hangs_does_not_hold_up_the_next_run() -> None:
    assert unit("aidc-disk-exporter.service.j2")["Service"]["KillMode"] == "process"


def test_the_timer_starts_at_once_and_waits_for_the_end_of_a_run() -> None:
    timer = unit("aidc-disk-exporter.timer.j2", disk_exporter_interval="5min")["Timer"]
    assert timer["OnActiveSec"] == "1s"
    assert timer["OnUnitInactiveSec"] == "5min"
