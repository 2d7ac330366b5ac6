# Tests of histories: CSV files, and the answers of a server with the failures of the ledger.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError
from ansible_collections.aidc.ops.plugins.module_utils._predict import features, history
from ansible_collections.aidc.ops.plugins.module_utils._predict.kinds import KINDS
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Device, Series

DRIVE = KINDS["drive"]
HEAD = "node,device,model,time,failed,reallocated\n"


def csv(folder: Path, text: str) -> list[Device]:
    path = folder / "history.csv"
    path.write_text(text, encoding="utf-8")
    return history.from_csv(path, DRIVE)


def test_rows_become_devices(tmp_path: Path) -> None:
    text = (
        HEAD + "n1,sda,M,2026-01-03,1,9\nn1,sda,M,2026-01-01T00:00:00Z,0,\nn1,sda,M,1767312000,0,4\nn1,sdb,M,0,0,nan\n"
    )
    one, other = csv(tmp_path, text)
    assert (one.begin, one.end, one.failed_at) == (1767225600, 1767398400, 1767398400)
    assert one.series["reallocated"].values == [4, 9]
    assert (other.failed_at, bool(other.series["reallocated"])) == (None, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("node,device\n", "first line"),
        (HEAD.replace("reallocated", "colour"), "at least one of"),
        (HEAD + "n,d,m,yesterday,0,1\n", "line 2"),
        (HEAD + "n,d,m,1,0,1\nn,d,m,2,0,many\n", "line 3"),
        (HEAD + "n,d,m,1,perhaps,1\n", "not 0 or 1"),
        (HEAD + "n,d,m,nan,0,1\n", "is no time"),
        (HEAD + 'n,"d,m,1,0,1\n', "unexpected end"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        csv(tmp_path, text)
    with pytest.raises(PredictionError, match="cannot be read"):
        history.from_csv(tmp_path / "none.csv", DRIVE)


def test_a_history_ends_with_the_first_failure_in_it() -> None:
    points = [(day * DAY, float(day)) for day in range(10)]
    answers = {"used": [({"instance": "n1", "device": name}, points) for name in ("nvme0", "nvme1", "nvme2")]}
    answers["spare"] = [({"device": "nvme9"}, points), ({"instance": "n1", "device": "nvme8"}, [])]
    failures = {("n1", "nvme0"): [7 * DAY, 5 * DAY], ("n1", "nvme1"): [-DAY, 10 * DAY], ("n1", "nvme2"): [99 * DAY]}
    found = history.assemble(DRIVE, answers, {("n1", "nvme0"): "M"}, failures, 300)
    assert [(one.name, one.end / DAY, one.failed_at and one.failed_at / DAY) for one in found] == [
        ("nvme0", 5, 5),
        ("nvme1", 10, 10),
        ("nvme2", 9, None),
    ]
    assert found[0].model == "M"


@pytest.mark.slow
def test_a_hundred_thousand_series() -> None:
    devices = [
        Device("n", str(number), "m", {"used": Series([(day * DAY, number % 90) for day in range(31)])}, 0, 30 * DAY)
        for number in range(100_000)
    ]
    peers = features.medians(devices, ["used"], 30 * DAY)
    rows = [features.row(one, ["used"], one.end, peers) for one in devices]
    assert len(rows) == 100_000
    assert max(row[-1] for row in rows) > 0
