# Tests of the module notify: once for each case and step, and never a failure because nobody answers.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.plugins.modules import notify

Call = Callable[..., dict[str, Any]]
HOSTILE = '{{ lookup("ansible.builtin.pipe", "id") }}'


class People:
    """Stands in for the endpoints: what they got, and which of them is dead (hangs, longer than anybody waits)."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, str, dict[str, Any], Any]] = []
        self.mails: list[tuple[str, list[str], str, str]] = []
        self.dead: set[str] = set()

    def post(self, url: str, content: dict[str, Any], key: str, timeout: float, token: Any, ca_path: Any) -> None:
        if "webhook" in self.dead:
            time.sleep(5)
        self.posts.append((url, key, content, token))

    def mail(self, host: str, sender: str, to: list[str], subject: str, text: str, timeout: float) -> None:
        if "mail" in self.dead:
            raise notify.AidcOpsError(f"{host}: refused")
        self.mails.append((host, list(to), subject, text))


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> People:
    one = People()
    monkeypatch.setattr(notify, "post_json", one.post)
    monkeypatch.setattr(notify, "send_mail", one.mail)
    return one


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Call:
    def do(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"case_id": 7, "step": "notify", "directory": str(tmp_path / "7"), "node": "gpu2", **arguments}
        given = {"subject": "a fault", "text": HOSTILE, "timeout": 0.5, **given}
        return call(notify.main, check=check, **given)

    return do


BOTH = {"webhook_url": "https://chat.example.com/h", "mail_to": ["ops@example.com"]}


def test_four_steps(run: Call, people: People, tmp_path: Path) -> None:
    first = run(check=True, **BOTH)
    assert first["changed"] and people.posts == [] and not (tmp_path / "7").exists()
    second = run(**BOTH)
    assert (second["changed"], second["sent"], second["problems"]) == (True, ["mail", "webhook"], [])
    for check in (False, True):
        assert not run(check=check, **BOTH)["changed"]
    assert len(people.posts) == len(people.mails) == 1
    _url, key, content, _token = people.posts[0]
    assert key == "aidc.ops:7:notify" and content["text"] == HOSTILE and content["jobs"] == []
    assert people.mails[0][2] == "[aidc.ops] a fault"


def test_another_step_is_another_message(run: Call, people: People) -> None:
    run(**BOTH)
    assert run(step="drain", **BOTH)["changed"]
    assert [key for _url, key, _content, _token in people.posts] == ["aidc.ops:7:notify", "aidc.ops:7:drain"]


def test_a_dead_endpoint_costs_the_time_limit_and_fails_nothing(run: Call, people: People) -> None:
    people.dead = {"webhook", "mail"}
    began = time.monotonic()
    answer = run(**BOTH)
    assert time.monotonic() - began < 2
    assert "failed" not in answer and (answer["changed"], answer["sent"]) == (False, [])
    assert answer["problems"] == ["webhook: no answer within 0.5 s", "mail: localhost: refused"]
    people.dead = {"mail"}
    assert run(**BOTH)["sent"] == ["webhook"]
    people.dead = set()
    assert run(**BOTH)["sent"] == ["mail", "webhook"]
    assert len(people.mails) == 1, "who has it does not get it again"


def test_nobody_to_tell_is_no_change(run: Call, people: People, tmp_path: Path) -> None:
    answer = run()
    assert (answer["changed"], answer["sent"], answer["problems"]) == (False, [], [])
    assert not (tmp_path / "7").exists()


class Engine:
    """A scheduler that knows two jobs."""

    def __init__(self, owner: str = "kim") -> None:
        self.owner = owner

    def jobs(self, names: list[str]) -> list[Any]:
        assert names == ["gpu2"]
        return [
            SimpleNamespace(id="41", name=HOSTILE, owner=self.owner, nodes=("gpu2",), can_requeue=True),
            SimpleNamespace(id="42", name="b", owner="a@b, everybody", nodes=("gpu2", "gpu3"), can_requeue=False),
        ]


def test_owners_of_jobs_are_told(run: Call, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "open_engines", lambda settings, dry_run: Engine())
    answer = run(jobs=True, owner_domain="example.com", **BOTH)
    assert [(job["id"], job["owner"]) for job in answer["jobs"]] == [("41", "kim"), ("42", "a@b, everybody")]
    assert people.posts[0][2]["jobs"] == answer["jobs"]
    _host, to, _subject, text = people.mails[0]
    assert to == ["ops@example.com", "kim@example.com"], "an owner that is no plain name becomes no address"
    assert "41" in text and "kim" in text


def test_without_a_domain_only_the_site_is_told(run: Call, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "open_engines", lambda settings, dry_run: Engine())
    run(jobs=True, **BOTH)
    assert people.mails[0][1] == ["ops@example.com"]


def test_a_scheduler_that_does_not_answer_stops_no_message(
    run: Call, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(settings: Any, dry_run: bool) -> Any:
        raise EngineError("Slurm cannot be asked.")

    monkeypatch.setattr(notify, "open_engines", fail)
    answer = run(jobs=True, **BOTH)
    assert answer["sent"] == ["mail", "webhook"]
    assert answer["problems"] == ["the jobs on the node are not known: Slurm cannot be asked."]


def test_the_token_is_sent_and_not_told(run: Call, people: People, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    answer = run(token_file=str(tmp_path / "token"), **BOTH)
    assert people.posts[0][3] == "s3cret" and "s3cret" not in json.dumps({**answer, "invocation": None})
    missing = run(step="drain", token_file=str(tmp_path / "none"), **BOTH)
    assert missing["sent"] == ["mail"] and "cannot be read" in missing["problems"][0]


@pytest.mark.parametrize("step", ["../x", "Notify", ""])
def test_the_step_is_a_name(run: Call, step: str) -> None:
    assert "has to be the name of a step" in run(step=step)["msg"]
