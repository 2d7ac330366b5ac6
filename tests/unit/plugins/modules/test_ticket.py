# Tests of the module ticket: one ticket for each case, in a file and in a ticket system.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import ticket

Call = Callable[..., dict[str, Any]]
RECORD = {
    "node": {"serial": "SN3", "board_serial": "B3", "chassis_serial": "C3", "product": "AI-8000", "hostname": "gpu3"},
    "gpus": [{"device": "gpu:0000:1b:00", "model": "H100", "serial": "1650", "uuid": "GPU-1"}],
}


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Call:
    def do(check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"case_id": 7, "directory": str(tmp_path), **arguments}
        return call(ticket.main, check=check, config=None, **given)

    return do


def kept(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "7.json").read_text())


def test_four_steps(run: Call, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "node": "gpu3",
        "node_id": "dmi:SN3",
        "hardware": RECORD,
        "devices": ["gpu:0000:1b:00"],
        "fault_class": "gpu_row_remap_failure",
        "action_taken": ["reset: failed"],
        "details": {"rack": "r7", "case_opened_at": 1.5},
        "reporter_version": "0.1.0",
    }
    assert run(check=True, **given)["changed"] and not (tmp_path / "7.json").exists()
    assert run(**given)["changed"]
    found = kept(tmp_path)
    assert (found["state"], found["case_id"], found["node"], found["category"]) == ("open", 7, "gpu3", "gpu")
    assert found["hardware"]["serial"] == "SN3" and found["hardware"]["board_serial"] == "B3"
    assert found["devices"] == [
        {"device": "gpu:0000:1b:00", "model": "H100", "serial": "1650", "uuid": "GPU-1"},
    ]
    assert found["reporter"] == {"name": "aidc.ops", "version": "0.1.0"}
    assert (found["rack"], found["case_opened_at"], found["action_taken"]) == ("r7", 1.5, ["reset: failed"])
    assert found["opened_at"] == found["updated_at"] and found["closed_at"] is None
    for check in (False, True):
        assert not run(check=check, **given)["changed"]
    assert kept(tmp_path) == found
    assert (tmp_path / "7.json").stat().st_mode & 0o777 == 0o640


def test_it_is_closed_and_opened_again(run: Call, tmp_path: Path) -> None:
    run(node="gpu3")
    assert run(check=True, state="closed")["changed"] and kept(tmp_path)["state"] == "open"
    assert run(state="closed", note="replaced")["changed"]
    assert kept(tmp_path)["closed_at"] and kept(tmp_path)["node"] == "gpu3"
    for check in (False, True):
        assert not run(check=check, state="closed")["changed"]
    assert run(node="gpu3")["changed"]
    assert [item["what"] for item in kept(tmp_path)["history"]] == ["opened", "closed", "reopened"]


def test_without_a_ticket_there_is_nothing_to_close(run: Call, tmp_path: Path) -> None:
    answer = run(state="closed")
    assert (answer["changed"], answer["ticket"]) == (False, None)
    assert run(state="updated")["msg"].startswith("case 7 has no open ticket")
    assert list(tmp_path.glob("*7.json")) == []


def test_the_checksum_of_the_evidence_is_in_it(run: Call, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    run(evidence=str(tmp_path / "manifest.json"))
    assert kept(tmp_path)["evidence_sha256"] == hashlib.sha256(b"{}").hexdigest()
    run(evidence=str(tmp_path / "none.json"))
    assert kept(tmp_path)["evidence_sha256"] is None


def test_an_option_that_is_not_given_changes_nothing(run: Call, tmp_path: Path) -> None:
    run(node="gpu3", fault_class="gpu_row_remap_failure")
    assert not run()["changed"]
    assert run(state="updated", note="on its way")["changed"]
    assert kept(tmp_path)["node"] == "gpu3"


@pytest.mark.parametrize("name", ["state", "case_id", "history", "node"])
def test_details_do_not_replace_what_the_ticket_has(run: Call, name: str) -> None:
    assert f"details may not hold {name}" in run(node="gpu3", details={name: "x"})["msg"]


def test_a_file_that_is_no_ticket_is_left_alone(run: Call, tmp_path: Path) -> None:
    (tmp_path / "7.json").write_text("something else")
    assert "is no ticket" in run(node="gpu3")["msg"]
    assert (tmp_path / "7.json").read_text() == "something else"


def test_a_directory_that_is_not_there_is_told(call: Call, tmp_path: Path) -> None:
    answer = call(ticket.main, config=None, case_id=7, directory=str(tmp_path / "none"), node="gpu3")
    assert answer["failed"] and "no directory" in answer["msg"]


def test_the_ledger_notes_it_and_closed_cases_close_their_tickets(call: Call, controller: Any, tmp_path: Path) -> None:
    def run(**arguments: Any) -> dict[str, Any]:
        return call(ticket.main, directory=str(tmp_path), **arguments)

    assert run(case_id=1, in_ledger=True, node="gpu2")["changed"]
    assert not run(case_id=1, in_ledger=True, node="gpu2")["changed"]
    noted = controller.ledger.ticket(1)
    assert (noted["reference"], noted["backend"], noted["closed_at"]) == (str(tmp_path / "1.json"), "file", None)
    assert run(state="settled")["settled"] == [], "its case is open"
    controller.ledger.cancel(1, "kim")
    assert call(ticket.main, check=True, directory=str(tmp_path), state="settled")["settled"] == [1]
    assert controller.ledger.ticket(1)["closed_at"] is None
    answer = run(state="settled", note="The case was closed.")
    assert (answer["changed"], answer["settled"]) == (True, [1])
    found = json.loads((tmp_path / "1.json").read_text())
    assert found["state"] == "closed" and found["history"][-1]["note"] == "The case was closed."
    assert controller.ledger.ticket(1)["closed_at"] is not None
    answer = run(state="settled")
    assert (answer["changed"], answer["settled"]) == (False, [])


def test_a_ticket_that_cannot_be_closed_is_a_warning(
    call: Call, controller: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(ticket.main, directory=str(tmp_path), case_id=1, in_ledger=True, node="gpu2")
    controller.ledger.cancel(1, "kim")

    def fail(*_arguments: Any) -> None:
        raise ticket.AidcOpsError("it answered 503")

    monkeypatch.setattr(ticket, "post_json", fail)
    given = {"directory": str(tmp_path), "state": "settled", "backend": "webhook", "url": "https://t.example.com"}
    answer = call(ticket.main, **given)
    assert "failed" not in answer and answer["settled"] == []
    assert controller.ledger.ticket(1)["closed_at"] is None
    monkeypatch.setattr(ticket, "post_json", lambda *_arguments: None)
    assert call(ticket.main, **given)["settled"] == [1]


class System:
    """Stands in for the ticket system: what it got, and how often it fails before it takes something."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.tokens: list[str | None] = []
        self.failures = 0

    def post(self, url: str, content: dict[str, Any], key: str, timeout: float, token: Any, ca_path: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise ticket.AidcOpsError("it answered 503")
        self.got.append(json.loads(json.dumps(content)))
        self.keys.append(key)
        self.tokens.append(token)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    one = System()
    monkeypatch.setattr(ticket, "post_json", one.post)
    return one


def test_four_steps_with_a_ticket_system(run: Call, system: System, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    given = {"backend": "webhook", "url": "https://tickets.example.com/api", "token_file": str(tmp_path / "token")}
    assert run(check=True, node="gpu3", **given)["changed"] and system.got == []
    assert run(node="gpu3", **given)["changed"]
    for check in (False, True):
        assert not run(check=check, node="gpu3", **given)["changed"]
    run(state="closed", **given)
    assert [one["state"] for one in system.got] == ["open", "closed"]
    assert (set(system.keys), set(system.tokens)) == ({"aidc.ops:7"}, {"abc"})
    assert kept(tmp_path)["delivered_at"] is not None
    assert "abc" not in (tmp_path / "7.json").read_text()


def test_one_failure_is_tried_again_at_once(run: Call, system: System, tmp_path: Path) -> None:
    system.failures = 1
    assert "failed" not in run(node="gpu3", backend="webhook", url="https://tickets.example.com")
    assert len(system.got) == 1


def test_what_was_not_delivered_is_kept_and_delivered_later(run: Call, system: System, tmp_path: Path) -> None:
    system.failures = 2
    answer = run(node="gpu3", backend="webhook", url="https://tickets.example.com")
    assert answer["failed"] and "it answered 503" in answer["msg"]
    assert (kept(tmp_path)["state"], kept(tmp_path)["delivered_at"]) == ("open", None)
    assert run(node="gpu3", backend="webhook", url="https://tickets.example.com")["changed"]
    assert len(system.got) == 1 and len(system.got[0]["history"]) == 1


def test_a_ticket_system_without_encryption_is_refused(run: Call, system: System, tmp_path: Path) -> None:
    answer = run(node="gpu3", backend="webhook", url="http://tickets.example.com")
    assert answer["failed"] and "only https://" in answer["msg"]
    assert list(tmp_path.glob("*7.json")) == []
