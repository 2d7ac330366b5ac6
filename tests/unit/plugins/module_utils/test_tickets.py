# Tests of tickets as data: how they are opened, updated and closed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _tickets
from ansible_collections.aidc.ops.plugins.module_utils._tickets import TicketError


def whats(ticket: dict[str, Any] | None) -> list[tuple[float, str]]:
    assert ticket is not None
    return [(item["at"], item["what"]) for item in ticket["history"]]


def test_a_life() -> None:
    first = _tickets.opened(None, 7, {"node": "gpu1"}, 10.0, "worn")
    assert (first["state"], first["opened_at"], first["updated_at"], first["closed_at"]) == ("open", 10.0, 10.0, None)
    assert _tickets.opened(first, 7, {"node": "gpu1"}, 20.0, "") == first
    assert _tickets.opened(first, 7, {"node": "gpu1"}, 20.0, "worn") == first, "the same note again says nothing new"
    second = _tickets.updated(first, 7, {"node": "gpu1", "rack": "r1"}, 20.0, "")
    assert (second["rack"], second["opened_at"], second["updated_at"]) == ("r1", 10.0, 20.0)
    third = _tickets.closed(second, 30.0, "replaced")
    assert third is not None
    assert (third["state"], third["closed_at"], third["updated_at"]) == ("closed", 30.0, 30.0)
    assert _tickets.closed(third, 40.0, "again") == third
    again = _tickets.opened(third, 7, {}, 50.0, "")
    assert (again["state"], again["closed_at"], again["opened_at"]) == ("open", None, 10.0)
    assert whats(again) == [(10.0, "opened"), (20.0, "updated"), (30.0, "closed"), (50.0, "reopened")]
    assert whats(first) == [(10.0, "opened")], "what was found is not changed"


def test_nothing_to_close_or_to_update() -> None:
    assert _tickets.closed(None, 1.0, "") is None
    with pytest.raises(TicketError, match="case 7 has no open ticket"):
        _tickets.updated(None, 7, {}, 1.0, "")
    closed = _tickets.closed(_tickets.opened(None, 7, {}, 1.0, ""), 2.0, "")
    with pytest.raises(TicketError, match="no open ticket"):
        _tickets.updated(closed, 7, {}, 3.0, "")


def test_the_history_is_bounded() -> None:
    ticket = _tickets.opened(None, 7, {}, 0.0, "")
    for at in range(1, 400):
        ticket = _tickets.updated(ticket, 7, {"n": at}, float(at), "")
    assert len(ticket["history"]) == _tickets.MAX_HISTORY
    assert ticket["history"][0]["what"] == "opened" and ticket["history"][-1]["at"] == 399.0


HARDWARE = {
    "gpus": [{"device": "gpu:0000:1b:00", "model": "H100", "serial": "1650", "uuid": "GPU-1"}],
    "disks": [{"name": "nvme4n1", "model": "EXAMPLE", "serial": "S1"}],
    "infiniband_ports": [{"device": "mlx5_0", "board_id": "MT_1", "node_guid": "0c42:a103:00aa:bb00"}],
    "power_supplies": [{"name": "PSU1", "model": "EX", "serial": "P1"}],
    "memory": {"dimms": [{"slot": "A1", "part_number": "EX64", "serial": "D1"}]},
}


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        ("gpu:0000:1b:00", ("H100", "1650", "GPU-1")),
        ("gpu:0000:2b:00", (None, None, None)),
        ("disk:nvme4n1", ("EXAMPLE", "S1", None)),
        ("nic:mlx5_0", ("MT_1", "0c42:a103:00aa:bb00", None)),
        ("psu:PSU1", ("EX", "P1", None)),
        ("memory:A1", ("EX64", "D1", None)),
        ("memory:B9", (None, None, None)),
        ("filesystem:/mnt/x", (None, None, None)),
        ("node", (None, None, None)),
    ],
)
@pytest.mark.parametrize("hardware", [HARDWARE, {}])
def test_a_device_is_named_for_good(device: str, wanted: tuple[Any, ...], hardware: dict[str, Any]) -> None:
    (found,) = _tickets.described([device], hardware)
    assert found["device"] == device
    assert (found["model"], found["serial"], found["uuid"]) == (wanted if hardware else (None, None, None))
