# Tests of the module prometheus_query against a stand-in of the server.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.doc_fragments._prometheus import ModuleDocFragment
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.options import ARGUMENTS
from ansible_collections.aidc.ops.plugins.modules import prometheus_query
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, vector


@pytest.fixture
def fake() -> t.Iterator[FakePrometheus]:
    with FakePrometheus() as server:
        yield server


@pytest.fixture
def ask(fake: FakePrometheus, capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    def run(**arguments: t.Any) -> dict[str, t.Any]:
        given = {"url": fake.url, "query": "up", "timeout": 5, **arguments}
        given = {name: value for name, value in given.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            prometheus_query.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_a_vector(fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]]) -> None:
    fake.queries["up"] = vector(sample(1, instance="gpu1"), sample("NaN", instance="{{ 7 * 7 }}"))
    for check in (False, True):
        answer = ask(_ansible_check_mode=check)
        assert answer["changed"] is False
        assert answer["result_type"] == "vector"
        assert [item["value"] for item in answer["result"]] == [1.0, "NaN"]
        assert answer["result"][1]["labels"] == {"instance": "{{ 7 * 7 }}"}
        assert answer["text"] is None


def test_a_range(fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]]) -> None:
    fake.queries["up"] = {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": [[1, "2"]]}]}
    answer = ask(start="2026-01-31T12:00:00Z", end="2026-01-31T13:00:00Z", step="5m")
    assert answer["result"] == [{"labels": {"a": "b"}, "values": [[1.0, 2.0]]}]
    parameters = fake.asked("query_range")[0]
    assert (parameters["start"], parameters["step"]) == ("1769860800.000", "300.000")
    assert float(parameters["end"]) - float(parameters["start"]) == 3600


def test_a_range_until_now(fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]]) -> None:
    fake.queries["up"] = {"resultType": "matrix", "result": []}
    ask(start="-1h", step="60")
    parameters = fake.asked("query_range")[0]
    assert float(parameters["end"]) - float(parameters["start"]) == pytest.approx(3600, abs=0.01)


def test_a_string(fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]]) -> None:
    fake.queries["up"] = {"resultType": "string", "result": [1, "text"]}
    answer = ask()
    assert (answer["result"], answer["text"]) == ([], "text")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"start": "-1h"}, "required together"),
        ({"time": "now", "start": "-1h", "step": "1m"}, "mutually exclusive"),
        ({"time": "yesterday"}, "not a time"),
        ({"start": "-1h", "step": "often"}, "not a duration"),
        ({"url": "http://kim:hunter2@x"}, "use username"),
        ({"timeout": 0}, "above 0"),
        ({"query": None}, "query"),
        ({"url": None}, "url"),
    ],
)
def test_arguments_that_cannot_be(
    ask: t.Callable[..., dict[str, t.Any]], arguments: dict[str, t.Any], says: str
) -> None:
    answer = ask(**arguments)
    assert answer["failed"]
    assert says in answer["msg"]


def test_a_failure_names_the_server(fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]]) -> None:
    fake.status = 403
    answer = ask(token="hunter2")
    assert answer["failed"]
    assert fake.url in answer["msg"]
    assert "hunter2" not in json.dumps(answer)


def test_a_part_of_an_answer(
    fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: shown.append(text))
    fake.warnings = ["a store is down"]
    assert "a store is down" in ask()["msg"]
    answer = ask(allow_partial=True)
    assert answer["server_warnings"] == ["a store is down"]
    assert shown == [f"{fake.url}: a store is down"]


def test_the_address_of_the_environment(
    fake: FakePrometheus, ask: t.Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDC_OPS_PROMETHEUS_URL", fake.url)
    monkeypatch.setenv("AIDC_OPS_PROMETHEUS_TOKEN", "t0ken")
    assert ask(url=None)["result"] == []
    assert fake.requests[0][3]["Authorization"] == "Bearer t0ken"


def test_the_documentation_has_the_arguments() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert set(documented) == set(ARGUMENTS)
    for name, argument in ARGUMENTS.items():
        assert documented[name]["type"] == argument["type"], name
        assert documented[name].get("default") == argument.get("default"), name
    plugins = yaml.safe_load(ModuleDocFragment.PLUGINS)["options"]
    assert set(plugins) == set(ARGUMENTS)
