# Tests of the module failure_forecast: training from a file, scoring on a stand-in of the server, and what goes wrong.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._predict.features import names
from ansible_collections.aidc.ops.plugins.module_utils._predict.kinds import KINDS, model_query, query
from ansible_collections.aidc.ops.plugins.module_utils._predict.model import Logistic, Model, dump
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY
from ansible_collections.aidc.ops.plugins.modules import failure_forecast
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._predict.generated import drives

DRIVE = KINDS["drive"]
WIDTH = len(names(["used"]))
WORN = [0.0] * WIDTH
WORN[names(["used"]).index("used_level")] = 1.0
MODEL = Model("drive", ("used",), 30, 0.5, True, 1e9, Logistic(-4.0, (0.0,) * WIDTH, (1.0,) * WIDTH, tuple(WORN)))


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def run(**arguments: t.Any) -> dict[str, t.Any]:
        given = {"kind": "drive", "model_path": str(tmp_path / "model.json"), **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            failure_forecast.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def server() -> t.Iterator[FakePrometheus]:
    with FakePrometheus() as fake:
        today = int(time.time() // DAY * DAY)
        for measure in DRIVE.measures:
            fake.queries[query(DRIVE, measure)] = {"resultType": "matrix", "result": []}
        worn, fresh, gone = (
            {"metric": {"instance": "n1", "device": name}, "values": [[moment, value]]}
            for name, moment, value in (("nvme0", today, "95"), ("nvme1", today, "1"), ("nvme2", today - 9 * DAY, "99"))
        )
        fake.queries[query(DRIVE, DRIVE.measures[0])] = {"resultType": "matrix", "result": [worn, fresh, gone]}
        known = {"metric": {"instance": "n1", "device": "nvme0", "model_name": "M"}, "values": [[today, "1"]]}
        fake.queries[model_query(DRIVE)] = {"resultType": "matrix", "result": [known]}
        yield fake


@pytest.mark.slow
def test_training_from_a_file_writes_a_model_unless_checking(
    call: t.Callable[..., dict[str, t.Any]], tmp_path: Path
) -> None:
    lines = ["node,device,model,time,failed,reallocated"]
    for one in drives(80, days=200):
        series = one.series["reallocated"]
        for moment, value in list(zip(series.times, series.values, strict=True))[::4]:
            lines.append(f"{one.node},{one.name},{one.model},{moment},0,{value}")
        lines.append(f"{one.node},{one.name},{one.model},{one.end},{int(one.failed_at is not None)},")
    (tmp_path / "history.csv").write_text("\n".join(lines), encoding="utf-8")
    given = {"action": "train", "csv": str(tmp_path / "history.csv"), "step_days": 4}
    checked = call(**given, _ansible_check_mode=True)
    assert checked["changed"] and not (tmp_path / "model.json").exists()
    answer = call(**given)
    kept = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert kept["enabled"] is answer["enabled"] is (not answer["reasons"])
    assert answer["report"]["failures"] == sum(one.failed_at is not None for one in drives(80, days=200))
    assert kept["report"]["held_out"] == answer["report"]["held_out"]


def test_scoring_writes_risks_of_what_is_seen(
    call: t.Callable[..., dict[str, t.Any]], server: FakePrometheus, tmp_path: Path
) -> None:
    (tmp_path / "model.json").write_text(dump(MODEL, {}), encoding="utf-8")
    given = {"action": "score", "url": server.url, "textfile_path": str(tmp_path / "risk.prom")}
    checked = call(**given, _ansible_check_mode=True)
    assert checked["changed"] and not (tmp_path / "risk.prom").exists()
    answer = call(**given)
    assert [(one["device"], one["flagged"]) for one in answer["risks"]] == [("nvme0", True), ("nvme1", False)]
    text = (tmp_path / "risk.prom").read_text(encoding="utf-8")
    assert 'aidc_failure_risk_ratio{node="n1",device="nvme0",kind="drive"} 0.6' in text
    assert "nvme2" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": "score"}, "url is needed"),
        ({"action": "train"}, "url is needed"),
        ({"action": "score", "url": "http://127.0.0.1:9"}, "train one first"),
        ({"action": "train", "csv": "/none.csv"}, "/none.csv: cannot be read"),
        ({"action": "train", "csv": "/none.csv", "step_days": 0}, "step_days must be at least 1"),
        ({"action": "score", "url": "http://x", "textfile_path": "/tmp/risk.txt"}, "end in .prom"),
    ],
)
def test_what_a_person_got_wrong_is_said(
    call: t.Callable[..., dict[str, t.Any]], arguments: dict[str, t.Any], message: str
) -> None:
    answer = call(**arguments)
    assert answer["failed"]
    assert message in answer["msg"]


def test_a_model_of_another_kind_is_refused(
    call: t.Callable[..., dict[str, t.Any]], server: FakePrometheus, tmp_path: Path
) -> None:
    (tmp_path / "model.json").write_text(dump(MODEL, {}), encoding="utf-8")
    assert "is for drive, not for gpu" in call(action="score", kind="gpu", url=server.url)["msg"]


def test_a_directory_that_is_missing_is_named(
    call: t.Callable[..., dict[str, t.Any]], server: FakePrometheus, tmp_path: Path
) -> None:
    (tmp_path / "model.json").write_text(dump(MODEL, {}), encoding="utf-8")
    answer = call(action="score", url=server.url, textfile_path=str(tmp_path / "none" / "risk.prom"))
    assert "cannot be written" in answer["msg"]
