# Tests of the kernel lane's event source, on a real ledger.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_source.kernel_log import KernelLog
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import tail
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.tests.fakes.controller import BOOT, XID79, Controller

HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/x') }}"


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def refused(controller: Controller) -> dict[str, int]:
    return dict(controller.ledger().counters()["refused"])


def test_a_line_becomes_a_contained_case_that_is_due(controller: Controller) -> None:
    source = KernelLog(str(controller.config))
    assert source.step() == []
    controller.log("gpu2")
    assert source.step() == [1]
    case = controller.ledger().case(1)
    assert (case.node, case.fault_class, case.step) == ("gpu2", "gpu_fell_off_bus", "evidence")
    assert controller.slurm.state("gpu2") == "IDLE+DRAIN"
    assert controller.slurm.reason("gpu2") == "aidc.ops:1 gpu_fell_off_bus"
    assert controller.slurm.state("gpu1") == "IDLE"


def test_a_batch_is_one_look_at_the_scheduler(controller: Controller) -> None:
    for node in ("gpu1", "gpu2", "gpu3"):
        controller.log(node)
    assert sorted(KernelLog(str(controller.config)).step()) == [1, 2, 3]
    assert len(controller.slurm.calls("show")) <= 2


def test_nothing_is_read_twice_over_a_restart(controller: Controller) -> None:
    controller.log("gpu2")
    KernelLog(str(controller.config)).step()
    before = controller.ledger().timeline(1)
    assert KernelLog(str(controller.config)).step() == []
    assert controller.ledger().timeline(1) == before


def test_a_crash_before_the_ledger_has_the_line_loses_nothing(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.log("gpu2")
    source = KernelLog(str(controller.config))

    def die(*_args: object) -> None:
        raise AidcOpsError("killed")

    monkeypatch.setattr(source._desk.ledger, "record", die)
    with pytest.raises(AidcOpsError):
        source.step()
    source.close()
    assert KernelLog(str(controller.config)).step() == [1]


def test_a_crash_before_the_containment_leaves_the_case_due(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.log("gpu2")
    source = KernelLog(str(controller.config))
    monkeypatch.setattr(source._desk, "_contain", lambda _ids, _signals: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        source.step()
    source.close()
    assert controller.slurm.state("gpu2") == "IDLE"
    assert controller.ledger().case(1).step == "cordon"


def test_a_scheduler_that_cannot_be_asked_does_not_stop_the_source(controller: Controller) -> None:
    controller.slurm.break_it()
    source = KernelLog(str(controller.config))
    controller.log("gpu2")
    source.step()
    assert controller.ledger().case(1).step == "cordon"
    controller.slurm.break_it(False)
    controller.log("gpu3")
    source.step()
    assert controller.slurm.state("gpu3") == "IDLE+DRAIN"


def test_playbook_containment_leaves_the_node_to_the_playbook(tmp_path: Path) -> None:
    controller = Controller(tmp_path, containment="playbook")
    controller.log("gpu2")
    assert KernelLog(str(controller.config)).step() == [1]
    assert controller.slurm.state("gpu2") == "IDLE"
    assert controller.ledger().case(1).step == "cordon"


def test_bad_lines_are_refused_and_the_good_one_among_them_counts(controller: Controller) -> None:
    controller.write(b"not json\n\xff\xfe\n[]\n{}\n")
    controller.log("nobody")
    controller.log("all")
    controller.log("gpu*")
    controller.log("gpu1,gpu2")
    controller.log("x" * 1000)
    controller.log("gpu1", "x" * 10_000)
    controller.log(HOSTILE)
    controller.log("gpu1", HOSTILE)
    controller.log("gpu2", XID79 + " " + HOSTILE)
    controller.write(b'{"node": "gpu3", "li')
    source = KernelLog(str(controller.config))
    assert source.step() == [1]
    assert [case.node for case in controller.ledger().cases()] == ["gpu2"]
    counts = refused(controller)
    assert counts["bad_json"] >= 1 and counts["bad_encoding"] == 1 and counts["unknown_node"] >= 4
    assert sum(counts.values()) >= 9


def test_an_address_that_is_not_the_nodes_is_refused(tmp_path: Path) -> None:
    controller = Controller(tmp_path, nodes={"gpu2": {"address": "10.0.0.2"}})
    controller.log("gpu2")
    assert KernelLog(str(controller.config)).step() == []
    assert refused(controller) == {"address_mismatch": 1}
    controller.log("gpu2", **{"from": "10.0.0.2"})
    assert KernelLog(str(controller.config)).step() == [1]


def test_the_same_fault_twice_is_one_case(controller: Controller) -> None:
    source = KernelLog(str(controller.config))
    controller.log("gpu2", time="2999-01-01T00:00:00Z")
    controller.log("gpu2", XID79.replace("1234", "99"))
    source.step()
    controller.log("gpu2")
    source.step()
    assert len(controller.ledger().cases()) == 1


def test_a_line_replayed_from_before_the_reboot_makes_no_case(controller: Controller) -> None:
    source = KernelLog(str(controller.config))
    controller.log("gpu2", "usb 1-1: new device", boot=BOOT.replace(":1000", ":2000"))
    controller.log("gpu2", boot=BOOT)
    assert source.step() == []
    assert controller.ledger().cases() == []


def test_an_oversize_line_is_refused(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "CHUNK_BYTES", 4096)
    controller.write(b"x" * 10_000 + b"\n")
    controller.log("gpu2")
    assert KernelLog(str(controller.config)).step() == [1]
    assert refused(controller)["too_long"] == 1


def test_a_flood_does_not_hold_back_what_is_due(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "CHUNK_BYTES", 1024)
    controller.log("gpu2")
    for number in range(60):
        controller.log("gpu1", f"usb {number}: nothing to see")
    controller.log("gpu3")
    source = KernelLog(str(controller.config))
    assert source.step() == [1]
    rounds = [source.step() for _round in range(5)]
    assert [2] in rounds


def test_rotation_between_two_rounds(controller: Controller) -> None:
    source = KernelLog(str(controller.config))
    controller.log("gpu1")
    source.step()
    controller.log("gpu2")
    controller.spool.rename(controller.spool.with_name("kernel.jsonl.1"))
    controller.spool.touch()
    controller.log("gpu3")
    assert sorted(source.step()) == [2, 3]


def test_heartbeat(controller: Controller) -> None:
    KernelLog(str(controller.config)).step()
    assert "kernel_log" in controller.ledger().heartbeats()


@pytest.mark.parametrize("damage", ["", "{", '{"schema_version": 2}'])
def test_broken_settings_are_an_error_that_names_the_file(controller: Controller, damage: str) -> None:
    controller.config.write_text(damage)
    with pytest.raises(AidcOpsError, match=r"controller\.json"):
        KernelLog(str(controller.config))


def test_a_corrupt_ledger_stops_the_source(controller: Controller) -> None:
    (controller.root / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(AidcOpsError):
        KernelLog(str(controller.config)).step()
