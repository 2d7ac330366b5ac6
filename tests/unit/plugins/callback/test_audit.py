# Tests of the callback that keeps an audit log. Real runs are in tests/callbacks.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.vault import EncryptedString
from ansible.utils.context_objects import CLIArgs

from ansible_collections.aidc.ops.plugins.callback import audit
from ansible_collections.aidc.ops.plugins.plugin_utils import _run_reports

HIDDEN = "hunter2hunter2"


class Result:
    """A result of a task, as a callback gets it."""

    def __init__(self, written: dict[str, t.Any], content: dict[str, t.Any], **fields: t.Any) -> None:
        rendered = dict.fromkeys(written, HIDDEN)
        self.task = SimpleNamespace(
            _uuid="u", action="ansible.builtin.command", args=rendered, delegate_to=None, no_log=False
        )
        self.announced = SimpleNamespace(_uuid="u", args=written, delegate_to=None)
        self.task_fields = {"action": "ansible.builtin.command", **fields}
        self.task_name = "Do {{ it }}"
        self.host = SimpleNamespace(get_name=lambda: "gpu4")
        self.result = content

    def is_changed(self) -> bool:
        return bool(self.result.get("changed"))


class Log:
    """A callback and the lines that it writes."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.options = {"path": str(path), "variables": False, "chain": True, "controller_name": "ctl"}
        self.warnings: list[str] = []
        cli = {
            "check": False,
            "inventory": ("hosts", f"https://u:{HIDDEN}@example.com/"),
            "subset": "gpu4",
            "tags": ("all",),
        }
        monkeypatch.setattr(_run_reports.context, "CLIARGS", CLIArgs(cli))
        self.callback = audit.CallbackModule()
        self.callback.get_option = self.options.__getitem__  # type: ignore[method-assign, assignment]
        self.callback._display = SimpleNamespace(warning=self.warnings.append)

    def lines(self) -> list[dict[str, t.Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def start(self, **extra_vars: t.Any) -> None:
        manager = SimpleNamespace(extra_vars=extra_vars)
        plays = [SimpleNamespace(get_variable_manager=lambda: manager)]
        self.callback.v2_playbook_on_start(
            SimpleNamespace(_file_name=str(self.path.parent / "site.yml"), get_plays=lambda: plays)
        )

    def changed(self, result: Result) -> dict[str, t.Any]:
        self.callback.v2_playbook_on_task_start(result.announced, False)
        self.callback.v2_runner_on_ok(result)
        return self.lines()[-1]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(tmp_path / "audit.jsonl", monkeypatch)


def test_the_start_says_who_and_what(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "operator\x1b")
    monkeypatch.setenv("JOB_ID", "7")
    log.start(awx_user_name="someone", db_password=HIDDEN)
    (line,) = log.lines()
    assert line["event"] == "start" and line["playbook"] == "site" and line["controller"] == "ctl"
    assert line["who"]["user"] and line["who"]["sudo_user"] == "operator"
    assert line["awx"]["job_id"] == "7" and line["awx"]["user_name"] == "someone"
    assert line["extra_vars"] == ["awx_user_name", "db_password"] and line["limit"] == "gpu4" and "tags" not in line
    assert HIDDEN not in log.path.read_text()


def test_variables_stay_as_they_are_written(log: Log) -> None:
    line = log.changed(Result({"_raw_params": "echo {{ x }}"}, {"changed": True}))
    assert line["command"] == "echo {{ x }}" and line["status"] == "changed" and line["host"] == "gpu4"
    log.options["variables"] = True
    assert log.changed(Result({"_raw_params": "echo {{ x }}"}, {"changed": True}))["command"] == HIDDEN


def test_a_task_that_was_not_announced_gives_names_only(log: Log) -> None:
    log.callback.v2_runner_on_ok(Result({"_raw_params": "echo {{ x }}"}, {"changed": True}))
    assert "command" not in log.lines()[-1] and HIDDEN not in log.path.read_text()


@pytest.mark.parametrize("variables", [False, True])
def test_a_vaulted_argument_is_never_told(log: Log, variables: bool) -> None:
    log.options["variables"] = variables
    vaulted = EncryptedString(ciphertext="$ANSIBLE_VAULT;1.1;AES256\n00")
    assert log.changed(Result({"_raw_params": vaulted}, {"changed": True}))["command"] == "***"
    assert HIDDEN not in log.path.read_text()


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({"changed": True, "censored": "x", "msg": HIDDEN}, {}),
        ({"changed": True, "results": [{"censored": "x"}], "msg": HIDDEN}, {}),
        ({"changed": True, "msg": HIDDEN}, {"no_log": True}),
    ],
)
def test_no_log(log: Log, content: dict[str, t.Any], fields: dict[str, t.Any]) -> None:
    result = Result({"_raw_params": HIDDEN}, content, **fields)
    log.callback.v2_playbook_on_task_start(result.announced, False)
    log.callback.v2_runner_on_ok(result)
    log.callback.v2_runner_on_failed(result)
    assert [line["no_log"] for line in log.lines()] == [True, True]
    assert HIDDEN not in log.path.read_text()


def test_what_changed_nothing_is_not_written(log: Log) -> None:
    log.callback.v2_runner_on_ok(Result({}, {"changed": False}))
    assert not log.path.exists()


def test_failures(log: Log) -> None:
    result = Result({"_raw_params": "x"}, {"msg": f"cannot log in with password={HIDDEN}"})
    log.callback.v2_playbook_on_task_start(result.announced, False)
    log.callback.v2_runner_on_failed(result)
    log.callback.v2_runner_on_failed(result, ignore_errors=True)
    log.callback.v2_runner_on_unreachable(result)
    assert [line["status"] for line in log.lines()] == ["failed", "ignored", "unreachable"]
    assert log.lines()[0]["message"] == "cannot log in with password=***"


@pytest.mark.parametrize("module", ["ansible.builtin.fail", "assert"])
def test_a_message_that_is_an_argument_stays_as_it_is_written(log: Log, module: str) -> None:
    result = Result({"msg": "no {{ secret_thing }}"}, {"msg": f"no {HIDDEN}"}, action=module)
    log.callback.v2_playbook_on_task_start(result.announced, False)
    log.callback.v2_runner_on_failed(result)
    assert log.lines()[0]["message"] == "no {{ secret_thing }}"


def test_a_log_that_cannot_be_written_costs_one_warning(log: Log) -> None:
    log.options["path"] = "/dev/full"
    log.start()
    log.callback.v2_runner_on_ok(Result({}, {"changed": True}))
    assert len(log.warnings) == 1 and "No space" in log.warnings[0]


def test_a_result_of_an_odd_kind_cannot_fail_the_run(log: Log) -> None:
    log.callback.v2_runner_on_ok(SimpleNamespace(is_changed=lambda: True))
    log.callback.v2_playbook_on_stats(SimpleNamespace())
    assert len(log.warnings) == 1


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def test_the_revision_of_a_repository(tmp_path: Path) -> None:
    repository, tree = tmp_path / "repository", tmp_path / "tree"
    (repository / "plays").mkdir(parents=True)
    assert audit.git_revision(str(repository)) == ""
    git(repository, "init", "--quiet")
    assert audit.git_revision(str(repository)) == "", "nothing is committed"
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "x")
    revision = git(repository, "rev-parse", "HEAD")
    assert audit.git_revision(str(repository / "plays")) == revision
    git(repository, "pack-refs", "--all")
    assert audit.git_revision(str(repository)) == revision
    git(repository, "worktree", "add", "--quiet", str(tree))
    assert audit.git_revision(str(tree)) == revision
    git(repository, "checkout", "--quiet", "--detach")
    assert audit.git_revision(str(repository)) == revision
    (repository / ".git" / "HEAD").write_text("nonsense {{ 1/0 }}\n")
    assert audit.git_revision(str(repository)) == ""
