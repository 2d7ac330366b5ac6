# Runs the playbook predict, train and score, against a stand-in of Prometheus with the history of a few drives.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.plugins.module_utils._faults.devices import alert_device
from ansible_collections.aidc.ops.plugins.module_utils._predict.kinds import KINDS, model_query, query
from ansible_collections.aidc.ops.plugins.module_utils._predict.model import dump
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus
from ansible_collections.aidc.ops.tests.playbooks.console import Console
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._predict.generated import drives
from ansible_collections.aidc.ops.tests.unit.plugins.modules.test_failure_forecast import MODEL

DRIVE = KINDS["drive"]
NODES = ("gpu1", "gpu2", "gpu3", "gpu4")
COUNT, DAYS, HORIZON = 24, 60, 6
REALLOCATED = next(measure for measure in DRIVE.measures if measure.name == "reallocated")
EMPTY = {"resultType": "matrix", "result": []}


class History:
    """The drives of ``generated``, whose last day is today; one of two has failed by then."""

    def __init__(self) -> None:
        self._begin = time.time() - DAYS * DAY
        self.drives = {
            (NODES[number % len(NODES)], f"sd{number}"): one
            for number, one in enumerate(drives(COUNT, days=DAYS, failing=2))
        }

    def failures(self) -> list[tuple[str, str, float]]:
        """Node, device and time of each."""
        return [(*key, self._begin + one.failed_at) for key, one in self.drives.items() if one.failed_at is not None]

    def answer(self, label: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """A sample for each moment of the question at which a drive was there."""
        start, end, step = (float(parameters[name]) for name in ("start", "end", "step"))
        moments = [start + number * step for number in range(int((end - start) / step) + 1)]
        result = []
        for (node, device), one in self.drives.items():
            values = one.series["reallocated"].values
            days = [(moment, int((moment - self._begin) / DAY)) for moment in moments]
            points = [[moment, str(values[day])] for moment, day in days if 0 <= day < len(values)]
            if points:
                result.append({"metric": {"instance": node, "device": device, **({label: "M"} if label else {})},
                               "values": points})  # fmt: skip
        return {"resultType": "matrix", "result": result}


@pytest.fixture
def server() -> Iterator[FakePrometheus]:
    history = History()
    with FakePrometheus() as fake:
        fake.queries[query(DRIVE, REALLOCATED)] = lambda asked: history.answer("", asked)
        fake.queries[model_query(DRIVE)] = lambda asked: history.answer("model_name", asked)
        fake.queries[""] = EMPTY
        yield fake


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """A control node whose ledger knows what failed."""
    made = Console(tmp_path)
    for number, (node, device, moment) in enumerate(History().failures()):
        name = alert_device("disk", {"device": device})
        seen = Recognition(DRIVE.failures[0], name)
        made.ledger.record([Signal("alert", node, "b:1", moment, f"s{number}", "x", seen)], None, made.settings)
    return made


def predict(console: Console, url: str, *arguments: str, **more: Any) -> tuple[int, str]:
    return console.run(
        "predict", *arguments, predict_prometheus_url=url, predict_dir=str(console.folder / "models"),
        predict_textfile_dir=str(console.folder), predict_history_days=DAYS, predict_horizon_days=HORIZON, **more,
    )  # fmt: skip


def risks(path: Path) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {
        (sample.labels["node"], sample.labels["device"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "aidc_failure_risk_ratio"
    }


def test_train_and_score(console: Console, server: FakePrometheus) -> None:
    model, metrics = console.folder / "models" / "drive.json", console.folder / "aidc_failures_drive.prom"
    status, output = predict(console, server.url, "--tags", "train")
    assert status == 0, output
    assert "drive: the trend rules stay, the predictor is not enabled" in output
    assert "failures in the time held out are too few to tell; at least 20" in output
    # Another kind without a history does not keep this one from learning.
    assert "gpu: there is no history of any gpu" in output and not model.with_name("gpu.json").exists()
    kept = json.loads(model.read_text(encoding="utf-8"))
    assert kept["enabled"] is False and kept["horizon_days"] == HORIZON
    assert kept["report"]["devices"] == COUNT
    assert kept["report"]["failures"] == len(History().failures()) == COUNT // 2

    status, output = predict(console, server.url, "--tags", "score")
    assert status == 0, output
    found = risks(metrics)
    gone = {(node, device) for node, device, _moment in History().failures()}
    assert set(found) == set(History().drives) - gone
    assert all(0 <= risk <= 1 for risk in found.values())
    assert "aidc_failure_predictor_enabled" in metrics.read_text(encoding="utf-8")
    assert not (console.folder / "aidc_failures_gpu.prom").exists(), "there is no model of it"


def test_a_model_that_won_names_the_drive(console: Console, server: FakePrometheus) -> None:
    (console.folder / "models").mkdir()
    (console.folder / "models" / "drive.json").write_text(dump(MODEL, {}), encoding="utf-8")
    used = next(measure for measure in DRIVE.measures if measure.name == "used")
    moment = int(time.time() // DAY * DAY)
    worn, fresh = (
        {"metric": {"instance": "gpu1", "device": name}, "values": [[moment, value]]}
        for name, value in (("nvme0", "95"), ("{{ 7 * 7 }}", "1"))
    )
    server.queries = {query(DRIVE, used): {"resultType": "matrix", "result": [worn, fresh]}, "": EMPTY}
    status, output = predict(console, server.url, "--tags", "score")
    assert status == 0, output
    found = risks(console.folder / "aidc_failures_drive.prom")
    assert found["gpu1", "nvme0"] > MODEL.threshold > found["gpu1", "{{ 7 * 7 }}"]


def test_check_mode_writes_nothing(console: Console, server: FakePrometheus) -> None:
    before = sorted(path.name for path in console.folder.iterdir())
    status, output = predict(console, server.url, "--check", predict_kinds=["drive"])
    assert status == 0, output
    after = {path.name for path in console.folder.iterdir()} - {"tmp"}
    assert sorted(after | {"tmp"} if "tmp" in before else after) == before


def test_an_empty_history_says_so_and_leaves_no_file(console: Console, server: FakePrometheus) -> None:
    server.queries = {"": EMPTY}
    status, output = predict(console, server.url)
    assert status == 0, output
    assert "drive: there is no history of any drive: not one sample of its measures" in output
    assert list((console.folder / "models").iterdir()) == []
    assert not list(console.folder.glob("aidc_failures_*.prom"))


@pytest.mark.parametrize(
    ("status_of_server", "body", "message"),
    [(500, None, "500"), (200, b"<html>no api</html>", "JSON"), (401, None, "401")],
)
def test_a_server_that_is_wrong_is_named(
    console: Console, server: FakePrometheus, status_of_server: int, body: bytes | None, message: str
) -> None:
    server.status, server.body = status_of_server, body
    status, output = predict(console, server.url, predict_kinds=["drive"])
    assert status == 0, output
    said = next(line for line in output.splitlines() if '"msg": "drive: ' in line)
    assert server.url in said and message in said
    assert not (console.folder / "models" / "drive.json").exists()


def test_a_server_that_is_away_fails_the_score(console: Console) -> None:
    (console.folder / "models").mkdir()
    (console.folder / "models" / "drive.json").write_text(dump(MODEL, {}), encoding="utf-8")
    status, output = predict(console, "http://127.0.0.1:9", "--tags", "score")
    assert status == 2 and "http://127.0.0.1:9" in output
    assert not (console.folder / "aidc_failures_drive.prom").exists()


def test_without_a_server_it_says_what_to_set(console: Console) -> None:
    status, output = console.run("predict")
    assert status == 2 and "Set predict_prometheus_url to the address of the Prometheus" in output
