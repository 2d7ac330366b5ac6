# Tests of the memory that makes signals of reports.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import hook_memory
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_bodies import Report
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_memory import HookMemory
from ansible_collections.aidc.ops.plugins.module_utils._cases.intake import PUSHED
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition


def wrong(at: float, occurrence: str = "1", identity: str = "redfish:gpu1:psu") -> Report:
    seen = Recognition("psu_failed", "psu:PSU1")
    return Report("bmc", identity, occurrence, at, False, "gpu1", "A supply failed.", seen)


def over(at: float, identity: str = "redfish:gpu1:psu") -> Report:
    return Report("bmc", identity, "", at, True)


def test_a_report_and_its_end_have_the_same_key() -> None:
    memory = HookMemory()
    (first, again, end), refused = memory.take([wrong(1, "1"), wrong(2, "2"), over(3)])
    assert refused == []
    assert first.dedup_key == again.dedup_key == end.dedup_key and first.dedup_key.startswith(PUSHED)
    assert (first.cleared, again.cleared, end.cleared) == (False, False, True)
    assert (end.lane, end.node, end.recognition) == ("bmc", "gpu1", Recognition("psu_failed", "psu:PSU1"))


def test_the_next_time_is_another_signal() -> None:
    memory = HookMemory()
    (first, _end, second), _refused = memory.take([wrong(1, "1"), over(2), wrong(3, "2")])
    assert first.dedup_key != second.dedup_key


def test_what_is_delivered_after_its_end_is_old() -> None:
    memory = HookMemory()
    signals, refused = memory.take([wrong(1), over(5), wrong(1), wrong(5)])
    assert len(signals) == 2 and [reason for reason, _detail in refused] == ["duplicate", "duplicate"]
    # The end may even overtake the beginning.
    signals, refused = memory.take([over(9, "zabbix:7"), wrong(8, "7", "zabbix:7")])
    assert signals == [] and len(refused) == 1


def test_the_end_of_nothing_is_nothing_and_comes_once() -> None:
    assert HookMemory().take([over(1), over(2)]) == ([], [])
    signals, _refused = HookMemory().take([wrong(1), over(2), over(3)])
    assert [signal.cleared for signal in signals] == [False, True]


def test_it_survives_as_text() -> None:
    memory = HookMemory()
    ((first, *_rest), _refused) = memory.take([wrong(1), wrong(1, "x", "zabbix:1"), over(2, "zabbix:1")])
    kept = HookMemory.from_text(memory.to_text())
    ((end,), _refused) = kept.take([over(3)])
    assert end.dedup_key == first.dedup_key


@pytest.mark.parametrize("text", [None, "", "{", "[]", "5", '{"a": 5}', '{"a": [1]}', '{"a": {"key": 1}}'])
def test_what_cannot_be_read_is_an_empty_memory(text: str | None) -> None:
    assert HookMemory.from_text(text).to_text() == "{}"


def test_a_copy_changes_alone() -> None:
    memory = HookMemory()
    memory.copy().take([wrong(1)])
    assert memory.to_text() == "{}"


def test_what_ended_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_memory, "MAX_REMEMBERED", 3)
    memory = HookMemory()
    memory.take([wrong(1, "1", f"zabbix:{number}") for number in range(3)])
    memory.take([over(2, "zabbix:2"), wrong(3, "1", "zabbix:3")])
    signals, _refused = memory.take([over(4, f"zabbix:{number}") for number in (0, 1, 3)])
    assert len(signals) == 3
    memory.take([wrong(5, "2", f"zabbix:1{number}") for number in range(9)])
    assert len(HookMemory.from_text(memory.to_text())._known) == 3
