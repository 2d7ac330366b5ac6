# Tests of the Prometheus lane's event source, on a real ledger and a stand-in for Alertmanager.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_source.alertmanager import AlertPoll, NoAnswerError
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager, alert, when
from ansible_collections.aidc.ops.tests.fakes.certificates import Authority
from ansible_collections.aidc.ops.tests.fakes.controller import Controller

HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/x') }}"


@pytest.fixture
def first() -> t.Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as server:
        yield server


@pytest.fixture
def second() -> t.Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as server:
        yield server


@pytest.fixture
def controller(tmp_path: Path, first: FakeAlertmanager, second: FakeAlertmanager) -> Controller:
    return Controller(tmp_path, [first.url, second.url])


def remap(node: str = "gpu3", fingerprint: str = "f1", **labels: str) -> dict[str, t.Any]:
    return alert(
        "GpuRowRemapFailure",
        fingerprint,
        when(time.time() - 1),
        **{"instance": node, "fault_class": "gpu_row_remap_failure", "pci_bus_id": "00000000:1B:00.0", **labels},
    )


def cleared(controller: Controller) -> bool:
    return not controller.ledger().firing_alerts()


def test_an_alert_becomes_a_contained_case(controller: Controller, first: FakeAlertmanager) -> None:
    first.alerts = [remap(), alert("Unrelated", "f2", instance="gpu1")]
    source = AlertPoll(str(controller.config))
    assert source.step() == [1]
    case = controller.ledger().case(1)
    assert (case.node, case.fault_class, case.devices) == ("gpu3", "gpu_row_remap_failure", ("gpu:0000:1b:00",))
    assert controller.slurm.reason("gpu3").startswith("aidc.ops:1")


def test_polling_again_changes_nothing(
    controller: Controller, first: FakeAlertmanager, second: FakeAlertmanager
) -> None:
    first.alerts = second.alerts = [remap()]
    source = AlertPoll(str(controller.config))
    source.step()
    events = len(controller.ledger().timeline(1))
    for _round in range(3):
        source.step()
    assert len(controller.ledger().cases()) == 1
    assert len(controller.ledger().timeline(1)) == events


def test_an_alert_that_is_gone_from_a_complete_poll_is_cleared(controller: Controller, first: FakeAlertmanager) -> None:
    first.alerts = [remap()]
    source = AlertPoll(str(controller.config))
    source.step()
    assert not cleared(controller)
    first.alerts = []
    source.step()
    assert cleared(controller)


def test_an_alert_that_went_while_the_source_was_down_is_cleared(
    controller: Controller, first: FakeAlertmanager
) -> None:
    first.alerts = [remap()]
    AlertPoll(str(controller.config)).step()
    first.alerts = []
    AlertPoll(str(controller.config)).step()
    assert cleared(controller)


def test_no_data_is_not_a_clear(controller: Controller, first: FakeAlertmanager, second: FakeAlertmanager) -> None:
    first.alerts = [remap()]
    source = AlertPoll(str(controller.config))
    source.step()
    first.status = 503
    source.step()
    first.status, first.body = 200, b"{}"
    source.step()
    assert not cleared(controller)
    # Nor after a restart of the source, which knows from the ledger who had answered.
    AlertPoll(str(controller.config)).step()
    assert not cleared(controller)
    first.body, first.alerts = None, []
    source.step()
    assert cleared(controller)


def test_an_alertmanager_that_just_started_clears_nothing(controller: Controller, first: FakeAlertmanager) -> None:
    first.alerts = [remap()]
    source = AlertPoll(str(controller.config))
    source.step()
    first.alerts, first.started_at = [], time.time() - 10
    source.step()
    assert not cleared(controller)
    first.started_at = time.time() - 1000
    source.step()
    assert cleared(controller)


@pytest.mark.slow
def test_a_dead_endpoint_costs_its_timeout_and_the_others_count(
    controller: Controller, first: FakeAlertmanager, second: FakeAlertmanager
) -> None:
    first.delay = 30
    second.alerts = [remap()]
    began = time.monotonic()
    assert AlertPoll(str(controller.config)).step() == [1]
    assert time.monotonic() - began < 5


def test_no_answer_at_all_is_an_error(
    controller: Controller, first: FakeAlertmanager, second: FakeAlertmanager
) -> None:
    first.status = second.status = 500
    with pytest.raises(NoAnswerError):
        AlertPoll(str(controller.config)).step()
    assert "watchdog" not in controller.ledger().heartbeats()


def test_without_the_watchdog_there_is_no_heartbeat_of_it(tmp_path: Path, first: FakeAlertmanager) -> None:
    controller = Controller(tmp_path, [first.url], alertmanager={"watchdog_alert": "Watchdog"})
    AlertPoll(str(controller.config)).step()
    assert "watchdog" not in controller.ledger().heartbeats()
    first.alerts = [alert("Watchdog", "w")]
    AlertPoll(str(controller.config)).step()
    assert "watchdog" in controller.ledger().heartbeats()


def test_bad_alerts_are_refused_once_and_the_good_one_among_them_counts(
    controller: Controller, first: FakeAlertmanager
) -> None:
    missing = remap(fingerprint="f2")
    del missing["labels"]["instance"]
    first.alerts = [
        5,
        None,
        {"labels": 5},
        missing,
        remap("all", "f3"),
        remap("*", "f4"),
        remap("!gpu1", "f5"),
        remap("gpu1,gpu2", "f6"),
        remap(HOSTILE, "f7"),
        remap("gpu1", "f8", pci_bus_id=HOSTILE),
        remap("gpu1", "f9", fault_class="none_such"),
        remap("gpu1", "f10", note="x" * 100_000),
        {**remap("gpu1", "f11"), "startsAt": "yesterday"},
        {**remap("gpu2", "f12"), "annotations": {"summary": HOSTILE}},
    ]
    source = AlertPoll(str(controller.config))
    assert source.step() == [1]
    counts = dict(controller.ledger().counters()["refused"])
    assert sum(counts.values()) >= 12
    assert {"no_node", "unknown_node", "bad_shape", "too_long", "bad_time", "unrecognised"} <= set(counts)
    source.step()
    assert dict(controller.ledger().counters()["refused"]) == counts
    assert [case.node for case in controller.ledger().cases()] == ["gpu2"]


def test_an_alertmanager_that_wants_a_certificate_is_shown_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with FakeAlertmanager(authority.server()) as server:
        controller = Controller(tmp_path, [server.url])
        content = json.loads(controller.config.read_text())
        poll = AlertPoll(str(controller.config))
        with pytest.raises(NoAnswerError):
            poll.step()
        poll.close()
        content["alertmanager"].update(authority.options())
        controller.config.write_text(json.dumps(content))
        poll = AlertPoll(str(controller.config))
        server.alerts = [remap()]
        assert len(poll.step()) == 1
        # The start of an Alertmanager is asked for before an alert counts as gone.
        server.alerts = []
        poll.step()
        assert cleared(controller)
        poll.close()


def test_without_urls_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert AlertPoll(str(Controller(tmp_path).config)).step() == []
