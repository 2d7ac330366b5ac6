# Tests of the check runner: whatever goes wrong in a check makes the run fail, and says so.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import checks
import pytest
from checks_report import Screen, closing_line, reasons, table
from checks_runner import Check, Result, Runner

ROOT = Path(__file__).resolve().parents[3]


def run(tmp_path: Path, *wanted: Check, slots: int = 2) -> tuple[list[Result], str]:
    """Run checks in an empty directory; the results and what the screen showed."""
    screen = io.StringIO()
    runner = Runner(tmp_path, tmp_path / "logs", dict(os.environ), slots, Screen(screen, len(wanted), tmp_path))
    return runner.run(wanted), screen.getvalue()


def spans(tmp_path: Path, *wanted: Check, slots: int) -> dict[str, list[int]]:
    """Begin and end of each check, in nanoseconds."""
    run(tmp_path, *wanted, slots=slots)
    return {check.name: [int(word) for word in (tmp_path / check.name).read_text().split()] for check in wanted}


def test_a_good_check_passes_and_its_output_is_logged(tmp_path: Path) -> None:
    results, screen = run(tmp_path, Check("good", "", "echo fine"))
    assert [(result.passed, result.reason) for result in results] == [(True, "")]
    assert (tmp_path / "logs" / "good.log").read_text() == "fine\n"
    assert "passed  good" in screen


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 3", 3),
        ("false && true", 1),
        ("false; true", 1),
        ("false | cat", 1),
        ("echo $undefined", 1),
        ("no-such-program-x", 127),
    ],
)
def test_a_failing_command_fails_wherever_it_stands_in_the_line(tmp_path: Path, command: str, status: int) -> None:
    results, _screen = run(tmp_path, Check("bad", "", command))
    assert [(result.passed, result.reason) for result in results] == [(False, f"exit status {status}")]


def test_a_missing_program_is_a_failure_and_the_command_is_not_run(tmp_path: Path) -> None:
    results, screen = run(tmp_path, Check("needy", "", "touch ran", needs=("sh", "no-such-program-x")))
    assert not results[0].passed
    assert "no-such-program-x" in results[0].reason
    assert "sh" not in results[0].reason.split(":")[1].split("(")[0].replace("no-such-program-x", "")
    assert "make setup" in screen
    assert not (tmp_path / "ran").exists()


def test_the_time_limit_ends_the_check_and_all_it_started(tmp_path: Path) -> None:
    command = "sleep 300 & echo $! > child; trap 'touch cleaned' TERM; wait"
    begun = time.monotonic()
    results, _screen = run(tmp_path, Check("slow", "", command, limit=0.5, cleanup="touch cleanup"))
    assert time.monotonic() - begun < 8
    assert not results[0].passed
    assert results[0].reason == "not done after 0.5 s"
    assert (tmp_path / "cleanup").exists()
    assert not _alive(int((tmp_path / "child").read_text()))


def test_the_tail_of_a_failed_check_is_shown_and_that_of_a_good_one_is_not(tmp_path: Path) -> None:
    _results, screen = run(
        tmp_path, Check("bad", "", "seq 1 1000; echo the reason; false"), Check("good", "", "echo secret")
    )
    assert "    the reason\n" in screen
    assert "    1000\n" in screen
    assert "    1\n" not in screen
    assert "secret" not in screen


def test_output_that_is_not_text_does_no_harm(tmp_path: Path) -> None:
    results, screen = run(tmp_path, Check("bytes", "", r"printf '\xff\xfe\x00\n'; false"))
    assert not results[0].passed
    assert "exit status 1" in screen


def test_nothing_waits_for_input(tmp_path: Path) -> None:
    results, _screen = run(tmp_path, Check("asks", "", "read answer", limit=5))
    assert results[0].reason == "exit status 1"


def test_two_run_at_a_time_but_not_with_the_same_lock(tmp_path: Path) -> None:
    line = "date +%s%N >> {0}; sleep 0.6; date +%s%N >> {0}"
    locks = {"a": "x", "b": "x", "c": None}
    seen = spans(tmp_path, *(Check(name, "", line.format(name), lock=lock) for name, lock in locks.items()), slots=2)
    assert seen["b"][0] >= seen["a"][1]
    assert seen["c"][0] < seen["a"][1]


def test_checks_that_mostly_wait_take_half_a_slot(tmp_path: Path) -> None:
    line = "date +%s%N >> {0}; sleep 0.6; date +%s%N >> {0}"
    shares = {"a": 1.0, "b": 0.5, "c": 1.0, "d": 0.5}
    seen = spans(
        tmp_path, *(Check(name, "", line.format(name), share=share) for name, share in shares.items()), slots=2
    )
    assert seen["d"][0] < min(seen["a"][1], seen["b"][1])
    assert seen["c"][0] >= min(seen["a"][1], seen["b"][1])


def test_small_checks_do_not_keep_a_large_one_out(tmp_path: Path) -> None:
    line = "date +%s%N >> {0}; sleep 0.6; date +%s%N >> {0}"
    shares = {"a": 1.0, "large": 1.5, "b": 0.5, "c": 0.5, "d": 1.0}
    seen = spans(
        tmp_path, *(Check(name, "", line.format(name), share=share) for name, share in shares.items()), slots=2
    )
    assert seen["b"][0] < seen["a"][1], "beside a, and later beside the large one"
    assert seen["large"][0] < min(seen["c"][0], seen["d"][0])
    assert seen["c"][0] < seen["large"][1] <= seen["d"][0]


def test_a_check_that_takes_more_than_there_is_runs_alone(tmp_path: Path) -> None:
    line = "date +%s%N >> {0}; sleep 0.3; date +%s%N >> {0}"
    seen = spans(tmp_path, *(Check(name, "", line.format(name), share=3.0) for name in "ab"), slots=2)
    assert seen["b"][0] >= seen["a"][1]


def test_results_come_in_the_order_of_the_checks(tmp_path: Path) -> None:
    results, _screen = run(tmp_path, Check("late", "", "sleep 0.5"), Check("early", "", "true"))
    assert [result.check.name for result in results] == ["late", "early"]


def test_the_table_names_every_check_and_the_log_of_a_failure() -> None:
    root = Path("/somewhere")
    results = [
        Result(Check("quick", "", ""), True, 1.26, "", root / "logs" / "quick.log"),
        Result(Check("broken", "", ""), False, 90.0, "exit status 2", root / "logs" / "broken.log"),
    ]
    lines = table(results, root).splitlines()
    assert lines[0].split() == ["check", "result", "seconds", "minutes", "log", "of", "a", "failure"]
    assert lines[2].split() == ["quick", "passed", "1.3", "0.0"]
    assert lines[3].split() == ["broken", "FAILED", "90.0", "1.5", "logs/broken.log", "(exit", "status", "2)"]
    assert closing_line(results) == "1 passed, 1 failed"


@pytest.mark.parametrize(("commands", "status"), [(("true", "true"), 0), (("true", "false"), 1)])
def test_the_run_ends_with_the_closing_line_and_its_status(
    commands: tuple[str, ...], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [Check(f"check{number}", "", command) for number, command in enumerate(commands)]
    assert checks.run(wanted, 2, False, tmp_path) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{commands.count('true')} passed, {commands.count('false')} failed"
    assert lines[-2] == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_what_runs_and_still_shows_the_table(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import checks\n"
        "from pathlib import Path; from checks_runner import Check\n"
        "wanted = [Check('one', '', 'echo $$ > pid; exec sleep 300'), Check('two', '', 'true')]\n"
        "sys.exit(checks.run(wanted, 1, False, Path(sys.argv[2])))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(ROOT / "tools"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        # The tests may run in the background of a shell, where SIGINT is ignored and would be here too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    pid = tmp_path / "pid"
    end = time.monotonic() + 15
    while not (pid.exists() and pid.read_text().strip()):
        assert time.monotonic() < end, "the check did not start"
        time.sleep(0.05)
    process.send_signal(number)
    output, _none = process.communicate(timeout=20)
    assert process.returncode == 130
    assert output.splitlines()[-1] == "0 passed, 2 failed"
    assert "interrupted" in output
    assert "not started" in output
    assert not _alive(int(pid.read_text()))


def test_a_check_can_be_interrupted_though_the_caller_ignores_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        results, _screen = run(tmp_path, Check("one", "", "kill -INT $$; exec true"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert results[0].reason == "exit status -2"


def test_what_failed_is_said_in_few_words_wherever_it_stands_in_the_log(tmp_path: Path) -> None:
    command = "echo fine; echo 'FAILED tests/x.py::test_y - assert 1 == 2'; seq 100; exit 1"
    results, _screen = run(tmp_path, Check("bad", "", command), Check("good", "", "echo ERROR"))
    assert reasons(results) == "bad:\n    FAILED tests/x.py::test_y - assert 1 == 2"


def test_the_tests_that_pytest_names_come_before_what_they_printed(tmp_path: Path) -> None:
    printed = "fatal: [gpu3]: UNREACHABLE!\nE   AssertionError: x\nERROR in a service\n" * 9
    named = [f"FAILED lab/tests/test_5_drills.py::test_a_drill[{number}] - AssertionError" for number in range(23)]
    named += ["\x1b[31mERROR\x1b[0m lab/tests/test_6.py - NameError"]
    log = tmp_path / "text"
    log.write_text(printed + "\n".join([*named, *named, "24 failed"]))
    results, _screen = run(tmp_path, Check("lab", "", f"cat {log}; exit 1"))
    lines = reasons(results).splitlines()
    assert lines[0] == "lab:"
    assert [line.strip() for line in lines[1:21]] == named[:20]
    assert lines[21:] == ["    ... and 4 more"]
    log.write_text(printed + named[-1])
    results, _screen = run(tmp_path, Check("lab", "", f"cat {log}; exit 1"))
    assert reasons(results) == "lab:\n    ERROR lab/tests/test_6.py - NameError"


def test_the_reasons_follow_the_end_of_the_log_at_once(tmp_path: Path) -> None:
    command = "echo 'FAILED tests/x.py::test_y - assert 1 == 2'; seq 100; exit 1"
    _results, screen = run(tmp_path, Check("bad", "", command), Check("good", "", "true"))
    lines = [line.strip() for line in screen.splitlines()]
    at = lines.index("---- why bad failed")
    assert lines[at - 1 : at + 3] == ["100", "---- why bad failed", "FAILED tests/x.py::test_y - assert 1 == 2", "----"]
    assert lines.count("---- why bad failed") == 1


def test_the_end_of_a_log_without_a_known_word_is_the_reason(tmp_path: Path) -> None:
    results, _screen = run(tmp_path, Check("bad", "", "seq 100; exit 1"))
    assert reasons(results) == "bad:\n    96\n    97\n    98\n    99\n    100"


def test_an_unknown_name_is_an_error_that_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["lnit"]) == 2
    error = capsys.readouterr().err
    assert "lnit" in error
    assert "lint" in error


def test_groups_choose_their_checks(tmp_path: Path) -> None:
    for name in ("node", "lab", "shared"):
        (tmp_path / "molecule" / name).mkdir(parents=True)
    for name in ("node", "lab"):
        (tmp_path / "molecule" / name / "molecule.yml").write_text("---\n")
    known = checks.all_checks(tmp_path)
    assert [check.name for check in checks.select(["molecule"], known)] == ["molecule-lab", "molecule-node"]
    assert {check.group for check in checks.select(["fast"], known)} == {"fast"}
    assert checks.select(["all"], known) == known
    assert [check.name for check in checks.select(["unit", "ruff"], known)] == ["ruff", "unit"]
    with pytest.raises(ValueError, match="no check belongs to molecule"):
        checks.select(["molecule"], checks.all_checks(tmp_path / "empty"))


def test_the_environment_of_a_check_has_our_tools_and_nobody_elses_settings() -> None:
    given = {"PATH": "/bin", "ANSIBLE_ROLES_PATH": "/x", "MOLECULE_DEBUG": "1", "PYTHONPATH": "/y", "HOME": "/h"}
    env = checks.environment(ROOT, given)
    assert env["PATH"].split(os.pathsep)[0] == str(ROOT / ".venv" / "bin")
    assert env["ANSIBLE_CONFIG"] == str(ROOT / "ansible.cfg")
    assert not {"ANSIBLE_ROLES_PATH", "MOLECULE_DEBUG", "PYTHONPATH"} & set(env)
    assert env["HOME"] == "/h"


def test_every_check_has_a_target_and_is_listed_in_the_help() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = set(shown.split())
    assert [check.name for check in checks.all_checks() if check.name not in words] == []
    assert {"setup", "demo", "demo-down", "test", "test-fast", "molecule", "bench", "clean"} <= words


def _alive(pid: int) -> bool:
    """True unless the process is gone or only waits for its parent to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
