# Tests of tools/demo_story.py: how long it waits, and what it cleans up. The lab is made of answers.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import demo_plan
import demo_story
import pytest
from demo_progress import DemoError, Patience, Progress
from demo_story import Story


class FakeLab:
    """Cases whose timelines grow with each look, and alerts."""

    def __init__(self, alerts: list[dict[str, str]] | None = None) -> None:
        self.progress = Progress(io.StringIO())
        self.plan = demo_plan.read({})
        self.addresses = {"ctl": "192.0.2.1"}
        self.host = SimpleNamespace(run=lambda *_command: "")
        self.labels = alerts or []
        self.posted: list[Any] = []
        self.played: list[list[str]] = []
        self.status = 0
        self.looks = 0
        self.silent_after = 10**9
        self.ends_after = 10**9

    def exec(self, node: str, *command: str, stdin: str | None = None, timeout: float = 120) -> str:
        if command[:2] == ("aidc-cases", "list"):
            self.looks += 1
            ended = self.looks >= self.ends_after
            wanted = {"gpu2": "returned", "gpu3": "quarantined", "gpu4": "resolved"}
            rows = [
                {
                    "case_id": number,
                    "node": node,
                    "state": state if ended else "open",
                    "step": "drain",
                    "hold_text": None,
                }
                for number, (node, state) in enumerate(wanted.items(), 1)
            ]
            return json.dumps(rows if self.looks else [])
        if command[:2] == ("aidc-cases", "timeline"):
            return json.dumps([{"at": at} for at in range(min(self.looks, self.silent_after))])
        return ""

    def ask(self, port: int, path: str, *options: str, stdin: str | None = None) -> str:
        if stdin is not None:
            self.posted += json.loads(stdin)
        return json.dumps([{"labels": labels} for labels in self.labels])

    def succeeds(self, node: str, *command: str) -> bool:
        return command[:1] != ("test",)

    def stream(self, command: list[str], log: Any) -> int:
        self.played.append(command)
        return self.status


def story_of(lab: Any) -> Story:
    return Story(lab)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "POLL", 0.01)


def test_patience_begins_anew_with_whatever_is_new() -> None:
    now = [0.0]
    patience = Patience(10, lambda: now[0])
    for at, seen, over in ((5, "a", False), (14, "a", False), (15, "b", False), (25, "b", False), (26, "b", True)):
        now[0] = at
        assert patience.is_over(seen) is over, at


def test_patience_without_news_is_a_deadline() -> None:
    now = [0.0]
    patience = Patience(10, lambda: now[0])
    now[0] = 10.0
    assert not patience.is_over(None)
    now[0] = 10.1
    assert patience.is_over(None)


def test_a_story_that_goes_on_is_followed_beyond_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "STORY_PATIENCE", 0.1)
    lab = FakeLab()
    # Far more than a tenth of a second, at a hundredth for each look.
    lab.ends_after = 40
    story = story_of(lab)
    story.follow()
    assert [chapter.state for chapter in story.chapters] == ["returned", "quarantined", "resolved"]
    assert all(len(chapter.events) >= 40 for chapter in story.chapters)


def test_a_story_in_which_nothing_happens_any_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "STORY_PATIENCE", 0.1)
    lab = FakeLab()
    lab.silent_after = 3
    with pytest.raises(DemoError, match=r"after 0 s still: gpu2 open drain; gpu3 open drain; gpu4 open drain"):
        story_of(lab).follow()
    assert lab.looks > 3


def failed(instance: str, playbook: str) -> dict[str, str]:
    return {"alertname": "AnsibleRunFailed", "instance": instance, "playbook": playbook, "fault_class": "x"}


@pytest.mark.parametrize("status", [0, 1])
def test_what_failed_runs_left_is_resolved(status: int) -> None:
    drill, run = failed("ctl", "aidc.ops.drill"), failed("gpu4", "aidc.ops.validate")
    lab = FakeLab([drill, run, {"alertname": "Watchdog"}])
    lab.status = status
    story_of(lab)._resolve_failed_runs()
    assert [command[-1] for command in lab.played] == ["target=gpu4"]
    # The good run resolves its own alert.
    assert [item["labels"] for item in lab.posted] == ([drill] if status == 0 else [drill, run])
    assert all(item["endsAt"] for item in lab.posted)


def test_without_failed_runs_nothing_is_sent() -> None:
    lab = FakeLab([{"alertname": "Watchdog"}])
    story_of(lab)._resolve_failed_runs()
    assert (lab.played, lab.posted) == ([], [])
