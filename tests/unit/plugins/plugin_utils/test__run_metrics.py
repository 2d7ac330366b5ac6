# Tests of the metrics about runs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.plugins.plugin_utils import _run_metrics as metrics

HOSTILE = 'a"} 1\nevil{b="\\'


def run(**changes: t.Any) -> metrics.Figures:
    given: dict[str, t.Any] = {"playbook": "site", "controller": "ctl", "check_mode": False, "started_at": 1000.0}
    return metrics.Figures(**{**given, **changes})


def ended(success: bool = True, **changes: t.Any) -> metrics.Figures:
    state = "ok" if success else "failed"
    hosts, results = metrics.count({"a": {"ok": 3} if success else {"ok": 3, "failures": 1}})
    assert hosts[state] == 1
    return run(**{"ended_at": 1010.5, "hosts": hosts, "results": results, "plays": {"First": 10.25}, **changes})


def samples(folder: Path, name: str = "ansible_playbook_site.prom") -> dict[str, float]:
    """The samples without further labels by name, as another parser reads them."""
    found = {}
    for family in text_string_to_metric_families((folder / name).read_text()):
        assert family.type == "gauge" and family.documentation
        for sample in family.samples:
            assert set(sample.labels) >= {"playbook", "controller", "check_mode"}
            found["/".join([sample.name, *list(sample.labels.values())[3:]])] = sample.value
    return found


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"ok": 3, "changed": 1, "unreachable": 1, "failures": 1}, "unreachable"),
        ({"ok": 3, "failures": 1, "rescued": 1}, "failed"),
        ({"ok": 3, "rescued": 1, "ignored": 1}, "rescued"),
        ({"ok": 3, "ignored": 1, "changed": 1}, "ignored"),
        ({"ok": 3, "changed": 1}, "changed"),
        ({"ok": 3, "skipped": 2}, "ok"),
        ({"skipped": 2}, "none"),
    ],
)
def test_each_host_counts_once_under_the_worst(counts: dict[str, int], state: str) -> None:
    hosts, _results = metrics.count({"a": counts})
    assert metrics.worst_state(counts) == state
    assert hosts[state] == 1 == sum(hosts.values())


def test_results_are_those_of_the_recap() -> None:
    _hosts, results = metrics.count({"a": {"ok": 3, "changed": 1, "failures": 2}, "b": {"ok": 1, "skipped": 4}})
    assert results == dict(zip(metrics.RESULTS, (4, 1, 2, 0, 4, 0, 0), strict=True))


def test_success() -> None:
    assert ended().success and not ended(success=False).success
    assert not run(hosts=metrics.count({})[0]).success, "a run without hosts is a failure"
    assert run(hosts=metrics.count({"a": {"skipped": 1}})[0]).success


def test_from_start_to_end(tmp_path: Path) -> None:
    metrics.write_start(str(tmp_path), run())
    assert samples(tmp_path) == {metrics.START: 1000, metrics.END: 0}

    metrics.write_end(str(tmp_path), ended())
    found = samples(tmp_path)
    assert found[metrics.LAST_SUCCESS] == found[metrics.END] == 1010.5
    assert found["ansible_playbook_last_run_success"] == 1
    assert found["ansible_playbook_duration_seconds"] == 10.5
    assert found["ansible_playbook_hosts/ok"] == 1 and found["ansible_playbook_hosts/none"] == 0
    assert found["ansible_playbook_task_results/ok"] == 3
    assert found["ansible_playbook_play_duration_seconds/First"] == 10.25
    assert "slowest" not in (tmp_path / "ansible_playbook_site.prom").read_text()

    # A run in flight: the figures of the last one stay, and the start is later than the end.
    metrics.write_start(str(tmp_path), run(started_at=2000.0))
    assert {**found, metrics.START: 2000} == samples(tmp_path)

    metrics.write_end(str(tmp_path), ended(success=False, started_at=2000.0, ended_at=2001.0, plays={"Second": 1.0}))
    found = samples(tmp_path)
    assert found["ansible_playbook_last_run_success"] == 0 and found["ansible_playbook_hosts/failed"] == 1
    assert found[metrics.LAST_SUCCESS] == 1010.5, "it is still known when all was well"
    assert "ansible_playbook_play_duration_seconds/First" not in found
    assert [path.name for path in tmp_path.iterdir()] == ["ansible_playbook_site.prom"]
    assert (tmp_path / "ansible_playbook_site.prom").stat().st_mode & 0o777 == 0o644


def test_check_mode_has_its_own_file(tmp_path: Path) -> None:
    metrics.write_end(str(tmp_path), ended())
    metrics.write_end(str(tmp_path), ended(success=False, check_mode=True))
    assert samples(tmp_path)["ansible_playbook_last_run_success"] == 1
    assert samples(tmp_path, "ansible_playbook_site.check.prom")["ansible_playbook_last_run_success"] == 0


@pytest.mark.parametrize("name", ["a/b", "../x", "a b", "é", "", "x" * 300, HOSTILE])
def test_file_names_are_safe_and_differ(name: str) -> None:
    found = metrics.file_name(run(playbook=name))
    assert found.isascii() and "/" not in found and len(found) < 120 and found.endswith(".prom")
    assert found != metrics.file_name(run(playbook=name + "_"))


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    metrics.write_end(str(tmp_path), ended(playbook=HOSTILE, plays={HOSTILE: 1.0}, slowest_tasks={HOSTILE: 2.0}))
    (path,) = tmp_path.iterdir()
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    assert "evil" not in families
    play = families["ansible_playbook_play_duration_seconds"].samples[0]
    assert (play.labels["play"], play.labels["playbook"]) == (HOSTILE, HOSTILE)
    # And they are found again.
    metrics.write_end(str(tmp_path), ended(success=False, playbook=HOSTILE))
    assert metrics.LAST_SUCCESS in path.read_text()


def test_many_plays_are_few_series() -> None:
    plays = {f"play {number}": float(number) for number in range(200)}
    lines = metrics.at_end(ended(plays=plays))["ansible_playbook_play_duration_seconds"]
    assert len(lines) == metrics.MAX_PLAYS + 1
    assert f'play="{metrics.OTHERS}"}} {sum(range(150))}' in lines[-1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"nonsense 1\n",
        b'ansible_playbook_last_success_timestamp_seconds{playbook="site" 1\n',
        b'other_metric{playbook="site"} 1\n',
        b'ansible_playbook_last_success_timestamp_seconds{playbook="site"} x\n',
    ],
)
def test_what_is_not_ours_does_not_stay(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ansible_playbook_site.prom").write_bytes(content)
    metrics.write_start(str(tmp_path), run())
    assert samples(tmp_path) == {metrics.START: 1000, metrics.END: 0}


def test_a_pipe_and_a_directory_do_not_hold_up_the_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ansible_playbook_site.prom")
    metrics.write_start(str(tmp_path), run())
    assert samples(tmp_path)[metrics.START] == 1000
    (tmp_path / "ansible_playbook_other.prom").mkdir()
    with pytest.raises(OSError):  # noqa: PT011 (which one depends on the filesystem)
        metrics.write_start(str(tmp_path), run(playbook="other"))
    assert not list(tmp_path.glob("*.tmp"))


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        metrics.write_end(str(tmp_path / "none"), ended())


def test_the_longest() -> None:
    assert metrics.most({"a": 1.0, "b": 3.0, "c": 2.0}, 2) == {"b": 3.0, "c": 2.0}
    assert metrics.most({"a": 1.0}, 0) == {}
