# Tests of the lookup promql, through Ansible's own loader and templates, against a stand-in of the server.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, vector


@pytest.fixture
def fake() -> t.Iterator[FakePrometheus]:
    with FakePrometheus() as server:
        yield server


def template(text: str, **variables: t.Any) -> t.Any:
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))


def test_samples_of_all_expressions(fake: FakePrometheus) -> None:
    fake.queries = {"up": vector(sample(1, instance="gpu1")), "one": {"resultType": "scalar", "result": [5, "1"]}}
    found = template("{{ query('aidc.ops.promql', 'up', 'one', url=server) }}", server=fake.url)
    assert found == [
        {"labels": {"instance": "gpu1"}, "value": 1.0, "timestamp": 1_700_000_000.5},
        {"labels": {}, "value": 1.0, "timestamp": 5.0},
    ]


def test_a_label_is_never_a_template(fake: FakePrometheus) -> None:
    fake.queries["up"] = vector(sample(1, instance="{{ 7 * 7 }}"))
    found = template("{{ query('aidc.ops.promql', 'up', url=server) }}", server=fake.url)
    assert found[0]["labels"]["instance"] == "{{ 7 * 7 }}"
    assert template("{{ found[0].labels.instance }}", found=found) == "{{ 7 * 7 }}"


def test_options_come_from_variables_and_the_environment(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDC_OPS_PROMETHEUS_TOKEN", "t0ken")
    indirect = trust_as_template("{{ server }}")
    template("{{ query('aidc.ops.promql', 'up', time='100') }}", aidc_ops_prometheus_url=indirect, server=fake.url)
    assert fake.requests[0][3]["Authorization"] == "Bearer t0ken"
    assert fake.asked("query")[0]["time"] == "100.000"


def test_a_range(fake: FakePrometheus) -> None:
    fake.queries["up"] = {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": [[1, "2"]]}]}
    text = "{{ query('aidc.ops.promql', 'up', url=server, start='0', end='60', step='30s') }}"
    assert template(text, server=fake.url) == [{"labels": {"a": "b"}, "values": [[1.0, 2.0]]}]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("url=server, start='-1h'", "start and step"),
        ("url=server, start='-1h', step='1m', time='now'", "no time"),
        ("url=server, time='soon'", "not a time"),
        ("url='nowhere'", "not the address"),
        ("", "url"),
    ],
)
def test_options_that_cannot_be(fake: FakePrometheus, options: str, says: str) -> None:
    with pytest.raises(AnsibleError, match=says):
        template(f"{{{{ query('aidc.ops.promql', 'up', {options}) }}}}", server=fake.url)


def test_failures_name_the_server(fake: FakePrometheus) -> None:
    fake.status = 500
    with pytest.raises(AnsibleError, match="HTTP 500") as caught:
        template("{{ query('aidc.ops.promql', 'up', url=server) }}", server=fake.url)
    assert fake.url in str(caught.value)


def test_a_text_is_no_series(fake: FakePrometheus) -> None:
    fake.queries["up"] = {"resultType": "string", "result": [1, "text"]}
    with pytest.raises(AnsibleError, match="gives a text"):
        template("{{ query('aidc.ops.promql', 'up', url=server) }}", server=fake.url)


def test_a_part_of_an_answer(fake: FakePrometheus) -> None:
    fake.warnings = ["a store is down"]
    with pytest.raises(AnsibleError, match="a store is down"):
        template("{{ query('aidc.ops.promql', 'up', url=server) }}", server=fake.url)
    assert template("{{ query('aidc.ops.promql', 'up', url=server, allow_partial=true) }}", server=fake.url) == []
