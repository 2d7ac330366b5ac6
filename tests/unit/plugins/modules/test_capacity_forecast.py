# Tests of the module capacity_forecast: from CSV and from a stand-in of Prometheus, to an answer and a file of metrics.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.modules import capacity_forecast
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def run(**arguments: t.Any) -> dict[str, t.Any]:
        given = {"model": "seasonal_naive", "horizon": "1d", **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            capacity_forecast.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def table(tmp_path: Path) -> str:
    rows = [f"{n * 3600},{queue},{10 + n % 24 + n * 7 % 5},team" for n in range(200) for queue in ("a", "b")]
    path = tmp_path / "demand.csv"
    path.write_text("time,series,gpus,account\n" + "\n".join(rows) + "\n")
    return str(path)


def test_a_file(ask: t.Callable[..., dict[str, t.Any]], table: str) -> None:
    answer = ask(csv_path=table, project_by="account", capacity={"total": 50, "team": 1000})
    demand = answer["forecast_demand"]
    assert answer["changed"] is False
    assert [one["name"] for one in demand["series"]] == ["a", "b"]
    assert [one["name"] for one in demand["projects"]] == ["team"]
    assert len(demand["times"]) == len(demand["total"]["forecast"]) == 24
    assert demand["total"]["backtest"]["mase_seasonal_naive"] is not None
    assert {row["name"] for row in answer["shortfalls"]} == {"total"}


def test_metrics_are_written_once(ask: t.Callable[..., dict[str, t.Any]], table: str, tmp_path: Path) -> None:
    path = tmp_path / "aidc_forecast_gpus.prom"
    given = {"csv_path": table, "textfile_path": str(path), "textfile_mode": "0640"}
    checked = ask(_ansible_check_mode=True, **given)
    assert (checked["changed"], path.exists()) == (True, False)
    assert 'forecast="aidc_forecast_gpus"' in checked["diff"]["after"]
    assert ask(**given)["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o640
    assert ask(**given)["changed"] is False
    assert ask(_ansible_check_mode=True, **given)["changed"] is False
    # A horizon that is longer than the forecast is that of the forecast.
    assert 'horizon="1d"' in path.read_text()
    assert 'horizon="7d"' not in path.read_text()


def test_prometheus(ask: t.Callable[..., dict[str, t.Any]]) -> None:
    with FakePrometheus() as server:
        values = [[n * 3600, str(5 + n % 24) if n != 50 else "NaN"] for n in range(200)]
        server.queries["gpus"] = {
            "resultType": "matrix",
            "result": [{"metric": {"account": "x", "partition": "p"}, "values": values}],
        }
        answer = ask(url=server.url, query="sum by (account) (gpus)", series_by="account", project_by="partition")
        (one,) = answer["forecast_demand"]["series"]
        assert (one["name"], one["project"]) == ("x", "p")
        assert "1 of 200 points have no finite value" in one["notes"][0]
        asked = server.asked("query_range")[0]
        assert float(asked["start"]) % 3600 == 0
        server.status = 403
        assert server.url in ask(url=server.url, query="gpus")["msg"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "one of the following is required"),
        ({"query": "up", "csv_path": "/x"}, "mutually exclusive"),
        ({"query": "up"}, "needs url"),
        ({"csv_path": "/none/demand.csv"}, "cannot be read"),
        ({"step": "often"}, "step: 'often' is not a duration"),
        ({"step": "0.1"}, "less than a second"),
        ({"horizon": "1y"}, "1 to 1000 are possible"),
        ({"horizon": "10m"}, "1 to 1000 are possible"),
        ({"season": "7m"}, "no whole number of steps"),
        ({"quantiles": [0.5, 1]}, "above 0 and below 1"),
        ({"quantiles": []}, "above 0 and below 1"),
        ({"capacity": {"total": "many"}}, "has to be a number"),
        ({"capacity": {"total": -1}}, "a number from 0"),
        ({"capacity": {"nobody": 1}}, "no series or project 'nobody'"),
        ({"textfile_path": "relative.prom"}, "absolute path"),
        ({"textfile_path": "/none/x.prom"}, "no directory /none"),
        ({"textfile_path": "/tmp/x.prom", "textfile_mode": "rw"}, "octal number"),
        ({"model": "oracle"}, "value of model must be one of"),
    ],
)
def test_what_cannot_be(
    ask: t.Callable[..., dict[str, t.Any]], table: str, arguments: dict[str, t.Any], says: str
) -> None:
    given = arguments if arguments == {} or {"query", "csv_path"} & set(arguments) else {"csv_path": table, **arguments}
    answer = ask(**given)
    assert answer["failed"]
    assert says in answer["msg"]


def test_documentation_and_arguments_agree() -> None:
    documented = yaml.safe_load(capacity_forecast.DOCUMENTATION)["options"]
    assert documented["model"]["choices"] == list(capacity_forecast.MODELS)
