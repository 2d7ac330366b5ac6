# Tests of the module maintenance_windows.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.modules import maintenance_windows

BEGIN = 1767225600
FORECAST = {
    "begin": float(BEGIN),
    "step_seconds": 3600.0,
    "series": [],
    "projects": [],
    "total": {"name": "total", "quantiles": {"0.9": [6.0, 2.0, 3.0]}},
}
NODES = [
    {"name": "n1", "minutes": 60, "gpus": 4, "rack": "a", "summary": "Firmware\r\nATTACH:http://example.com"},
    {"name": "n2", "minutes": 60, "gpus": 4, "rack": "a"},
]
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"forecast": FORECAST, "nodes": NODES, "capacity": 8, "_ansible_check_mode": check, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            maintenance_windows.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_check_run_run_check(ask: Ask, tmp_path: Path) -> None:
    files = {"dest": str(tmp_path / "windows.json"), "ics_path": str(tmp_path / "windows.ics")}
    assert ask(check=True, **files)["changed"] and not list(tmp_path.iterdir())
    first = ask(**files)
    assert first["changed"] and first["diff"]["before"] == "" and '"node": "n2"' in first["diff"]["after"]
    assert [(one["node"], one["start"] - BEGIN) for one in first["windows"]] == [("n1", 3600), ("n2", 7200)]
    assert json.loads((tmp_path / "windows.json").read_text())["windows"] == first["windows"]
    calendar = (tmp_path / "windows.ics").read_bytes()
    assert calendar.count(b"BEGIN:VEVENT\r\n") == 2 and b"\r\nATTACH" not in calendar
    assert not ask(**files)["changed"] and not ask(check=True, **files)["changed"]
    (tmp_path / "windows.ics").write_bytes(calendar.replace(b"n2", b"n3"))
    assert ask(**files)["changed"] and (tmp_path / "windows.ics").read_bytes() == calendar


def test_what_finds_no_window_is_returned_with_the_reason(ask: Ask) -> None:
    answer = ask(capacity=7, hours=["02:00-03:00"], zone="Europe/Berlin")
    assert [one["node"] for one in answer["windows"]] == ["n1"]
    assert answer["refused"][0]["node"] == "n2" and "at best 6 GPUs are wanted or in" in answer["refused"][0]["reason"]
    assert not answer["changed"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"zone": "Mars/Olympus"}, "zone: 'Mars/Olympus' is no time zone known here"),
        ({"zone": "../etc"}, "is no time zone known here"),
        ({"hours": ["always"]}, "hours: 'always' is no range such as 22:00-06:00"),
        ({"series": "x"}, "the forecast has no 'x'"),
        ({"quantile": 0.5}, "total has no quantile 0.5; it has 0.9"),
        ({"forecast": {}}, "it is not what capacity_forecast returns"),
        ({"nodes": [*NODES, NODES[0]]}, "nodes[n1]: it is there twice"),
        ({"nodes": [{"name": "n1"}]}, "missing required arguments: gpus, minutes found in nodes"),
        ({"capacity": -1}, "capacity: -1.0 is not a number of GPUs"),
        ({"ics_path": "/none/x.ics"}, "there is no directory /none"),
    ],
)
def test_wrong_input_is_explained(ask: Ask, arguments: dict[str, Any], part: str) -> None:
    answer = ask(**arguments)
    assert answer["failed"] and part in answer["msg"]
