# Tests of the source that other systems post to, on a real ledger and a real socket.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import typing as t
from pathlib import Path

import aiohttp
import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.event_source import hints
from ansible_collections.aidc.ops.extensions.eda.plugins.event_source.alertmanager import AlertPoll
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health, loop
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_bodies import context_of
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import SOURCE_ALERTS
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager, when
from ansible_collections.aidc.ops.tests.fakes.controller import Controller

TOKEN = "a-token-of-many-characters"
HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/x') }}"


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mappings = {"zabbix": {"Row remapping failed": "gpu_row_remap_failure"}, "nagios": {"DISK": "filesystem_full"}}
    webhook = {"port": port, "token_file": str(token), "mappings": mappings}
    return Controller(tmp_path, webhook=webhook)


class Site:
    """The running source, and what it gave to the rules."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.queue: asyncio.Queue[t.Any] = asyncio.Queue()
        self._settings = json.loads(controller.config.read_text())["webhook"]

    @contextlib.asynccontextmanager
    async def running(self) -> t.AsyncIterator[Site]:
        task = asyncio.create_task(hints.main(self.queue, {"config": str(self.controller.config)}))
        try:
            for _try in range(300):
                try:
                    _reader, writer = await asyncio.open_connection("127.0.0.1", self._settings["port"])
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.01)
            yield self
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def post(self, path: str, body: t.Any, token: str = TOKEN) -> int:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self._settings['port']}/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=content, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            return answer.status


def zabbix(eventid: int = 42, host: str = "gpu3", name: str = "Row remapping failed") -> dict[str, t.Any]:
    return {
        "clock": int(time.time()),
        "ns": 0,
        "value": 1,
        "eventid": eventid,
        "name": name,
        "hosts": [{"host": host, "name": host}],
        "tags": [{"tag": "pci_bus_id", "value": "00000000:1B:00.0"}],
    }


def recovery(eventid: int = 42) -> dict[str, t.Any]:
    return {"clock": int(time.time()) + 1, "ns": 0, "value": 0, "eventid": eventid + 1, "p_eventid": eventid}


def psu(controller: Controller, message: str = "PowerSupplyFailed") -> dict[str, t.Any]:
    del controller
    return {
        "Context": context_of("gpu2", TOKEN.encode()),
        "Events": [
            {
                "EventId": "1",
                "EventTimestamp": when(time.time()),
                "Message": HOSTILE,
                "MessageId": f"Power.1.0.{message}",
                "OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies/PSU1"},
            }
        ],
    }


def run(controller: Controller, play: t.Callable[[Site], t.Awaitable[None]]) -> Site:
    site = Site(controller)

    async def whole() -> None:
        async with site.running():
            await play(site)

    asyncio.run(whole())
    return site


def test_an_event_of_zabbix_is_a_contained_case_when_it_is_answered(controller: Controller) -> None:
    async def play(site: Site) -> None:
        assert await site.post("zabbix", zabbix()) == 202
        (case,) = controller.ledger().cases()
        assert (case.node, case.fault_class, case.devices) == ("gpu3", "gpu_row_remap_failure", ("gpu:0000:1b:00",))
        # The same event again, and the end of it.
        assert await site.post("zabbix", zabbix()) == 202
        assert len(controller.ledger().cases()) == 1
        assert len(controller.ledger().firing_alerts()) == 1
        assert await site.post("zabbix", recovery()) == 202
        assert controller.ledger().firing_alerts() == []
        assert await asyncio.wait_for(site.queue.get(), 5) == {"cases_due": {"case_ids": [1]}}

    run(controller, play)
    assert controller.slurm.reason("gpu3").startswith("aidc.ops:1")


def test_a_bmc_reports_its_own_node(controller: Controller) -> None:
    async def play(site: Site) -> None:
        assert await site.post("redfish", psu(controller), token="none") == 202
        (case,) = controller.ledger().cases()
        assert (case.node, case.fault_class, case.devices) == ("gpu2", "psu_failed", ("psu:PSU1",))
        # The text of the event is text.
        assert any(HOSTILE in event.text for event in controller.ledger().timeline(case.id))
        assert await site.post("redfish", {**psu(controller), "Context": "gpu2:1"}) == 401
        assert await site.post("redfish", psu(controller, "PowerSupplyRestored")) == 202
        assert "cleared" in [event.kind for event in controller.ledger().timeline(case.id)]
        assert controller.ledger().case(case.id).state == "resolved"

    run(controller, play)


def test_nothing_of_a_hint_is_used_but_that_it_came(controller: Controller) -> None:
    async def play(site: Site) -> None:
        woken = loop._wakes[SOURCE_ALERTS] = asyncio.Event()
        for path in ("alertmanager", "grafana"):
            assert await site.post(path, b"\xff" + HOSTILE.encode()) == 202
            assert woken.is_set()
            woken.clear()
        assert await site.post("alertmanager", {}, token="wrong") == 401
        assert not woken.is_set()
        del loop._wakes[SOURCE_ALERTS]

    run(controller, play)
    assert controller.ledger().cases() == []


def test_refused_entries_are_counted_and_the_sound_one_among_them_is_taken(controller: Controller) -> None:
    entries = [
        zabbix(1, host="all"),
        zabbix(2, host="gpu*"),
        zabbix(3, host=""),
        zabbix(4, name=HOSTILE),
        {**zabbix(5), "tags": [{"tag": "pci_bus_id", "value": HOSTILE}]},
        zabbix(6),
    ]

    async def play(site: Site) -> None:
        assert await site.post("zabbix", b"\n".join(json.dumps(entry).encode() for entry in entries)) == 202
        assert await site.post("zabbix", b"{") == 400
        assert await site.post("nagios", {"type": "PROBLEM", "host": "gpu1,gpu2", "service": "DISK"}) == 202

    site = run(controller, play)
    assert [case.node for case in controller.ledger().cases()] == ["gpu3"]
    assert dict(controller.ledger().counters()["refused"]) == {"unknown_node": 3, "no_node": 1, "unrecognised": 1}
    assert 'hints_refused_total{path="zabbix",reason="unmapped"}' in health.render()
    assert 'hints_refused_total{path="zabbix",reason="bad_json"}' in health.render()
    assert site.queue.qsize() == 1


def test_what_cannot_be_recorded_is_not_answered_as_taken(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "FIRST_BACK_OFF_SECONDS", 0.01)

    async def play(site: Site) -> None:
        ledger = controller.root / "ledger.sqlite"
        controller.ledger().close()
        broken = monkeypatch.context()
        with broken as patch:
            patch.setattr(hints.Desk, "take_in", lambda *_args: 1 / 0)
            assert await site.post("zabbix", zabbix()) == 503
        assert await site.post("zabbix", zabbix()) == 202
        assert ledger.exists()

    run(controller, play)
    assert len(controller.ledger().cases()) == 1


def test_too_much_at_once_is_told_to_come_later(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "MAX_WAITING", 0)

    async def play(site: Site) -> None:
        assert await site.post("zabbix", zabbix()) == 429

    run(controller, play)


def test_a_poll_of_alertmanager_does_not_clear_what_zabbix_said(controller: Controller) -> None:
    async def play(site: Site) -> None:
        assert await site.post("zabbix", zabbix()) == 202

    run(controller, play)
    with FakeAlertmanager() as alertmanager:
        content = json.loads(controller.config.read_text())
        content["alertmanager"]["urls"] = [alertmanager.url]
        controller.config.write_text(json.dumps(content))
        AlertPoll(str(controller.config)).step()
    assert len(controller.ledger().firing_alerts()) == 1


def test_open_events_survive_a_restart(controller: Controller) -> None:
    async def begin(site: Site) -> None:
        assert await site.post("zabbix", zabbix()) == 202

    async def end(site: Site) -> None:
        assert await site.post("zabbix", recovery()) == 202

    run(controller, begin)
    run(controller, end)
    assert controller.ledger().firing_alerts() == []


def test_without_a_token_file_nothing_listens(tmp_path: Path) -> None:
    controller = Controller(tmp_path)

    async def play() -> None:
        task = asyncio.create_task(hints.main(asyncio.Queue(), {"config": str(controller.config)}))
        await asyncio.sleep(0.3)
        assert not task.done()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", 5055)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())


def test_a_port_that_is_taken_is_tried_again(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "FIRST_RETRY_SECONDS", 0.05)
    port = json.loads(controller.config.read_text())["webhook"]["port"]

    async def play() -> None:
        taken = socket.create_server(("127.0.0.1", port))
        task = asyncio.create_task(hints.main(asyncio.Queue(), {"config": str(controller.config)}))
        await asyncio.sleep(0.3)
        assert not task.done()
        taken.close()
        site = Site(controller)
        for _try in range(100):
            with contextlib.suppress(aiohttp.ClientError):
                assert await site.post("zabbix", zabbix()) == 202
                break
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())
    assert len(controller.ledger().cases()) == 1
