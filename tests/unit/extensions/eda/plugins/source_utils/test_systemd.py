# Tests of the sign of life for systemd's watchdog.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.systemd import keep_alive


async def alive_for(seconds: float) -> None:
    task = asyncio.create_task(keep_alive())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_it_is_sent_three_times_in_each_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "150000")
        asyncio.run(alive_for(0.3))
        assert [systemd.recv(100) for _message in range(3)] == [b"WATCHDOG=1"] * 3


@pytest.mark.parametrize(("interval", "address"), [("", "x"), ("0", "x"), ("no", "x"), ("150000", None)])
def test_without_a_watchdog_there_is_nothing_to_send(
    monkeypatch: pytest.MonkeyPatch, interval: str, address: str | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", interval)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    asyncio.run(asyncio.wait_for(keep_alive(), 1))


def test_a_socket_that_is_gone_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    asyncio.run(alive_for(0.1))
