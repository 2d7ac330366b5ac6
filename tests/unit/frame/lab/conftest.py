# Makes the lab's programs importable, and gives tests a host that starts no process.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
for folder in (ROOT / "molecule" / "shared", ROOT / "tools"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from host import Host, HostError


class FakeHost(Host):
    """Answers from a list of (beginning of the command, answer); the last fitting one wins. An exception is raised."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str | Exception]] = []
        self.commands: list[str] = []

    def on(self, beginning: str, answer: str | Exception) -> None:
        """Remember an answer."""
        self.answers.append((beginning, answer))

    def run(self, *command: str, stdin: str | None = None, timeout: float = 120) -> str:
        text = " ".join(command)
        self.commands.append(text)
        for beginning, answer in reversed(self.answers):
            if text.startswith(beginning):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return ""


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def failed() -> HostError:
    return HostError("it failed")
