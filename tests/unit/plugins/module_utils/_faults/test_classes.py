# Tests of the catalogue's sense: every row is covered, every class can be carried out, and the order of faults.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._faults import (
    CLASSES,
    DEFAULT,
    DOMAIN_SCOPES,
    Recognition,
    device_of_pci,
    model,
    overrides,
    recognise_alert,
    strength,
)

# Rows of the published catalogue; three of them need two or three classes.
ROWS = range(1, 74)
# What wears out: classes of our own, each noticed by an alert.
PLANNED = {"certificate_expiring", "fan_wearing", "filesystem_filling", "gpu_wearing", "ib_link_wearing"}
APPLICATION_XIDS = (13, 31, 43, 45, 68, 69)
ALERT_ROWS = {6, 7, 10, 11, 14, 19, *range(30, 36), *range(38, 44), *range(46, 52), 53, *range(55, 74)}


def test_every_row_has_a_class() -> None:
    assert {number for row in CLASSES.values() for number in row.rows} == set(ROWS)
    assert len(CLASSES) == len({row.title for row in CLASSES.values()}) >= 80


def test_every_class_makes_sense() -> None:
    for name, row in CLASSES.items():
        assert name == row.name and row.title and row.description and row.sources, name
        overrides.check_sense(name, row)
        for at, pattern in enumerate(row.lines):
            overrides.check_pattern(f"{name}.lines[{at}]", pattern)
        for follower in (row.repeat, row.correlate):
            assert follower is None or follower.becomes in CLASSES, name
        if row.removes_node:
            assert "evidence" in row.workflow[: row.workflow.index("cordon") + 2], name
            if "repair" in row.workflow:
                # Evidence comes before anything that changes the node.
                assert row.workflow.index("evidence") < row.workflow.index("repair"), name
        # Whoever acts on nothing has nobody who may act.
        assert (row.authority == "never") == (row.workflow == ()), name
        assert row.authority in model.AUTHORITIES and row.drill["kind"] in model.DRILL_KINDS, name


def test_severity_says_how_a_node_is_emptied() -> None:
    for name, row in CLASSES.items():
        if row.drain == "now":
            assert row.severity == "critical", name
        elif row.drain in ("deadline", "wait"):
            assert row.severity == "high", name
        elif row.drain == "idle":
            assert row.severity == "medium", name
        if row.severity == "critical" and row.scope not in DOMAIN_SCOPES:
            assert row.drain == "now", name
        if row.severity == "low":
            assert not row.removes_node, name


def test_application_errors_never_remove_a_node_by_themselves() -> None:
    for code in APPLICATION_XIDS:
        (row,) = [row for row in CLASSES.values() if code in row.xids]
        assert not row.removes_node and row.drain == "", code
    for name in ("gpu_app_error", "gpu_graphics_exception", "gpu_mmu_fault"):
        repeat = CLASSES[name].repeat
        assert repeat is not None and repeat.count >= 2 and repeat.within_seconds == 86400
        assert CLASSES[repeat.becomes].removes_node and CLASSES[repeat.becomes].repairs == ()
    assert CLASSES["gpu_graphics_exception"].repeat.same == "location"  # type: ignore[union-attr]
    assert CLASSES["gpu_mmu_fault"].repeat.same == "device"  # type: ignore[union-attr]


def test_what_wears_out_is_planned_and_stays_in_service() -> None:
    for name in PLANNED:
        row = CLASSES[name]
        assert row.severity == "medium" and not row.removes_node and row.repairs == (), name
        # The last step, so that the case waits for whoever does the work.
        assert row.workflow[-1] == "ticket" and row.repeat is None and row.correlate is None, name


def test_domain_classes() -> None:
    reached = {row.correlate.becomes for row in CLASSES.values() if row.correlate}
    assert reached == {"leaf_down", "storage_server_down", "rack_unreachable", "facility_heat"}
    assert {name for name, row in CLASSES.items() if row.scope in DOMAIN_SCOPES} == reached | {
        "ansible_run_not_started"
    }


def test_classes_with_an_alert() -> None:
    without = {
        "facility_heat",
        "filesystem_stays_full",
        "unit_keeps_failing",
        "rack_unreachable",
        "storage_server_down",
    }
    for name, row in CLASSES.items():
        assert row.alerts == (
            (bool(set(row.rows) & ALERT_ROWS) and name not in without)
            or name in {"ansible_run_failed", "ansible_run_not_started", *PLANNED}
        ), name


def test_every_class_can_be_noticed() -> None:
    """By a line, by an alert, or because others become it; three come from elsewhere."""
    becomes = {f.becomes for row in CLASSES.values() for f in (row.repeat, row.correlate) if f}
    for name, row in CLASSES.items():
        assert (row.xids or row.sxids or row.lines or row.alerts or name in becomes) or name in (
            "gpu_xid_unknown",
            "gpu_reset_refused",
            "node_lemon",
        ), name


def test_drills() -> None:
    needs = {"line": "text", "gpusim": "fault", "metric": "metric", "unit": "unit", "none": "why"}
    for name, row in CLASSES.items():
        assert row.drill[needs[row.drill["kind"]]], name


def test_alerts_name_devices() -> None:
    for labels, device in (
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0"}, "gpu:0000:1b:00"),
        ({"fault_class": "gpu_row_remap_failure"}, "node"),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": ""}, "node"),
        ({"fault_class": "gpu_count_low", "pci_bus_id": "00000000:1B:00.0"}, "node"),
        ({"fault_class": "ansible_run_failed"}, "node"),
        ({"fault_class": "ib_port_down", "device": "mlx5_0", "port": "1"}, "nic:mlx5_0/1"),
        ({"fault_class": "ethernet_flapping", "device": "eno1"}, "nic:eno1"),
        ({"fault_class": "nvme_failing", "device": "/dev/nvme0n1"}, "disk:nvme0n1"),
        ({"fault_class": "nvme_failing", "device": "nvme0"}, "disk:nvme0"),
        ({"fault_class": "filesystem_full", "mountpoint": "/mnt/local scratch"}, "filesystem:/mnt/local scratch"),
        ({"fault_class": "unit_failed", "name": "slurmd.service"}, "unit:slurmd.service"),
        ({"fault_class": "psu_failed", "sensor": "PSU1"}, "psu:PSU1"),
        ({"fault_class": "memory_correctable", "sensor": "DIMM_A1"}, "memory:DIMM_A1"),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "{{ 7 * 7 }}"}, None),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0\n"}, None),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": "1B:00.0"}, None),
        ({"fault_class": "gpu_row_remap_failure", "pci_bus_id": 5}, None),
        ({"fault_class": "unit_failed", "name": "a\nb"}, None),
        ({"fault_class": "unit_failed", "name": " a"}, None),
        ({"fault_class": "unit_failed", "name": "a" * 256}, None),
        ({"fault_class": "unit_failed", "name": ["a"]}, None),
        ({"fault_class": "gpu_xid_other"}, None),
        ({"fault_class": "no_such_class"}, None),
        ({"fault_class": 5}, None),
        ({"alertname": "Watchdog"}, None),
    ):
        answer = recognise_alert(labels)
        assert (answer.device if answer else None) == device, labels
        assert answer is None or answer.fault_class == labels["fault_class"]


def test_alerts_name_the_server_of_a_file_system() -> None:
    for more, server in (
        ({"device": "192.0.2.16:/export/home"}, "192.0.2.16"),
        ({"device": "[2001:db8::16]:/export"}, "2001:db8::16"),
        ({"device": "192.0.2.31@o2ib:/lustre"}, "192.0.2.31"),
        ({"device": "/dev/sda1", "server": "nfs1.example.org"}, "nfs1.example.org"),
        ({"device": "/dev/sda1"}, ""),
        ({}, ""),
    ):
        labels = {"fault_class": "remote_filesystem_hang", "mountpoint": "/home", **more}
        assert recognise_alert(labels) == Recognition("remote_filesystem_hang", "filesystem:/home", location=server)


def test_pci_spellings_are_one_device() -> None:
    spellings = ("00000000:1B:00.0", "0000:1b:00.0", "0000:1b:00", "PCI:0000:1B:00")
    assert {device_of_pci(text) for text in spellings} == {"gpu:0000:1b:00"}
    assert device_of_pci("0000:5c:00.1", "nic") == "nic:0000:5c:00.1"
    assert device_of_pci("GPU 0") is None


def test_strength() -> None:
    def ordered(*faults: str) -> None:
        ranks = [strength(*fault.split("/")) for fault in faults]
        assert ranks == sorted(ranks, reverse=True) and len(set(ranks)) == len(ranks), ranks

    ordered(
        "gpu_aux_power",
        "gpu_fell_off_bus",
        "nvlink_fatal",
        "gpu_row_remap_failure",
        "gpu_row_remap_pending",
        "gpu_suspect",
        "gpu_app_error_repeated",
        "bmc_unreachable",
        "ansible_run_failed",
        "psu_failed",
        "gpu_app_error",
    )
    # What was asked for raises a fault within its ladder, never lowers it, and "none" makes it a record.
    ordered("gpu_recovery_action/reboot", "gpu_recovery_action/reset_group", "gpu_recovery_action/reset")
    assert strength("gpu_recovery_action") == strength("gpu_recovery_action", "reset")
    assert strength("gpu_fell_off_bus", "reset") == strength("gpu_fell_off_bus")
    assert strength("gpu_recovery_action", "support") > strength("gpu_recovery_action", "power_cycle")
    assert strength("gpu_recovery_action", "none") < strength("gpu_app_error")
    assert strength("nvlink5_error", "none") < strength("ansible_run_failed")
    # An unknown code is weaker than any answer that an authority gives.
    assert strength("gpu_xid_unknown") < strength("gpu_recovery_action", "reset")
    assert strength("gpu_xid_unknown") > strength("ansible_run_failed")
    assert DEFAULT.strength("gpu_stopped") == strength("gpu_stopped")
