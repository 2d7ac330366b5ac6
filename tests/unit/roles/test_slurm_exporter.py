# Tests of the Slurm exporter on recorded answers of two releases, on hostile ones and on commands that fail.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asserted is what a scrape sees. tests/slurm asks a real Slurm; this is what one cannot be made to do."""

from __future__ import annotations

import dataclasses
import gzip
import http.client
import importlib.util
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "unit" / "fixtures" / "slurm"
RELEASES = ["22.05", "24.11"]
MARK = "5eed5eed"
EVIL = 'ev|il\nx="1",y\\1|none'


# The program imports what lies beside it.
sys.path.insert(0, str(ROOT / "roles" / "slurm_exporter" / "files"))


def _load() -> Any:
    spec = importlib.util.spec_from_file_location(
        "slurm_exporter", ROOT / "roles" / "slurm_exporter" / "files" / "slurm_exporter.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["slurm_exporter"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


program = _load()
reading = sys.modules["slurm_reading"]


def recorded(what: str, release: str) -> str:
    return (FIXTURES / f"exporter_{what}_{release}.txt").read_text(encoding="utf-8")


class FakeSlurm:
    """Answers of both commands; the mark of a question is put into the recorded answer."""

    def __init__(self, release: str = "22.05") -> None:
        self.nodes = recorded("nodes", release)
        self.jobs = recorded("jobs", release)
        self.asked: list[Sequence[str]] = []
        self.error: Exception | None = None

    def __call__(self, words: Sequence[str], seconds: float) -> str:
        self.asked.append(words)
        if self.error is not None:
            raise self.error
        if words[0] == "scontrol":
            return self.nodes
        mark = words[-1].rsplit("|", 1)[1].rstrip(";")
        return self.jobs.replace(MARK, mark)


def exporter(slurm: Callable[[Sequence[str], float], str], most: int = 1000, user: str = "none", key: str = "") -> Any:
    names = program.Names(program.user_label(user, key))
    return program.Exporter(slurm, program.Settings(30.0, 20.0, most), names)


def values(page: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Name of a metric -> values of its labels -> value, as Prometheus' own client reads the page."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page.decode("utf-8")):
        for sample in family.samples:
            key = tuple(sample.labels.values())
            assert key not in found.setdefault(sample.name, {}), f"{sample.name}{key} is there twice"
            found[sample.name][key] = sample.value
    return found


def collected(slurm: Callable[[Sequence[str], float], str], **settings: Any) -> dict[str, dict[tuple[str, ...], float]]:
    made = exporter(slurm, **settings)
    made.collect()
    return values(made.page())


def job(**changes: Any) -> Any:
    plain = reading.Job("1", "running", "main", "a", "u", ("gpu1",), 1, 0, 0, 100, 110, "None")
    return dataclasses.replace(plain, **changes)


def node(name: str, gpus: int = 0, **changes: Any) -> Any:
    plain = reading.Node(name, ("mixed",), ("main",), 8, 1, 1000, 10, 8, gpus)
    return dataclasses.replace(plain, **changes)


# --- Recorded answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_nodes(release: str) -> None:
    found = collected(FakeSlurm(release))
    assert found["slurm_up"] == {(): 1.0}
    states = set(found["slurm_node_state"])
    assert {("gpu1", "mixed"), ("gpu4", "idle"), ("gpu4", "drain"), ("gpu5", "unknown")} <= states
    assert ("gpu5", "not_responding") in states or release == "22.05"
    assert {name: value for (name,), value in found["slurm_node_gpus"].items()} == {
        "gpu1": 4.0,
        "gpu2": 4.0,
        "gpu3": 4.0,
        "gpu4": 0.0,
        "gpu5": 4.0,
    }
    assert [found["slurm_node_gpus_allocated"][(name,)] for name in ("gpu1", "gpu2", "gpu3", "gpu4")] == [3, 4, 2, 0]
    assert (found["slurm_node_cpus"][("gpu1",)], found["slurm_node_cpus_allocated"][("gpu1",)]) == (8.0, 2.0)
    assert found["slurm_node_memory_bytes"][("gpu1",)] == 64000 * 1024 * 1024
    assert found["slurm_node_memory_allocated_bytes"][("gpu1",)] == 200 * 1024 * 1024
    counts = found["slurm_partition_nodes"]
    assert (counts[("main", "mixed")], counts[("main", "drain")], counts[("night", "mixed")]) == (3.0, 1.0, 2.0)
    assert (counts[("secret", "mixed")], counts[("main", "down")]) == (1.0, 0.0)
    assert sum(count for (partition, _state), count in counts.items() if partition == "main") == 5


@pytest.mark.parametrize("release", RELEASES)
def test_jobs(release: str) -> None:
    found = collected(FakeSlurm(release))
    jobs = found["slurm_jobs"]
    assert {key: count for key, count in jobs.items() if count} == {
        ("main", "pending"): 3.0,
        ("main", "running"): 2.0,
        ("main", "suspended"): 1.0,
        ("night", "pending"): 10.0,
        ("night", "running"): 1.0,
        ("secret", "running"): 1.0,
    }
    assert len(jobs) == 3 * 4
    assert found["slurm_pending_gpus"] == {("main",): 2 * 2 + 4 + 2, ("night",): 40.0, ("secret",): 0.0}
    assert found["slurm_running_gpus"] == {("main", ""): 2.0 + 5 + 1, ("night", EVIL): 1.0}
    assert found["slurm_pending_reason_jobs"] == {
        ("main", "Dependency"): 1.0,
        ("main", "JobHeldUser"): 1.0,
        ("main", "ReqNodeNotAvail"): 1.0,
        ("night", "Resources"): 10.0,
    }
    oldest = found["slurm_pending_oldest_seconds"]
    assert oldest[("night",)] > 0 and oldest[("main",)] > 0 and oldest[("secret",)] == 0
    assert found["slurm_exporter_jobs_hidden"] == {(): 0.0}


@pytest.mark.parametrize("release", RELEASES)
def test_gpus_of_each_job_on_each_node(release: str) -> None:
    found = collected(FakeSlurm(release))
    assert found["slurm_job_gpus"] == {
        ("1", "", "", "main", "gpu1"): 2.0,
        ("2", "", "", "main", "gpu2"): 4.0,
        ("2", "", "", "main", "gpu3"): 1.0,
        ("3", "", EVIL, "night", "gpu1"): 1.0,
        ("10", "", "", "main", "gpu3"): 1.0,
    }
    assert set(found["slurm_job_start_timestamp_seconds"]) == {("1",), ("2",), ("3",), ("10",)}
    by_node: dict[str, float] = {}
    for key, count in found["slurm_job_gpus"].items():
        by_node[key[-1]] = by_node.get(key[-1], 0) + count
    assert {(name,): count for name, count in by_node.items()}.items() <= found["slurm_node_gpus_allocated"].items()


# --- Hostile and broken answers --------------------------------------------------------------------------------------


def forged(account: str, reason: str = "None") -> str:
    """The recorded jobs with another account and reason of job 3, as Slurm would write them."""
    text = recorded("jobs", "22.05")
    line = f"None|{MARK}|{EVIL}|{MARK};"
    assert line in text
    return text.replace(line, f"{reason}|{MARK}|{account}|{MARK};")


@pytest.mark.parametrize(
    "account",
    [
        "99|RUNNING|main|root|1|1|gpu1|gres/gpu=8|N/A|N/A|N/A|N/A|1|2|N/A|None|12345678|x|12345678;\n",
        "\n98|RUNNING|main|root|1|1|gpu1|gres/gpu=8|N/A|N/A|N/A|N/A|1|2|N/A|None",
        '"} 1\nslurm_up 0\n# HELP x',
        "{{ lookup('pipe', 'id') }}",
        "\\",
        "ä\u2028\u0085\r\t",
    ],
)
def test_an_account_is_text(account: str) -> None:
    slurm = FakeSlurm()
    slurm.jobs = forged(account)
    found = collected(slurm)
    assert found["slurm_up"] == {(): 1.0}
    assert {key[0] for key in found["slurm_job_gpus"]} == {"1", "2", "3", "10"}
    assert ("3", "", account[:100], "night", "gpu1") in found["slurm_job_gpus"]


def test_an_account_may_be_no_utf8() -> None:
    slurm = FakeSlurm()
    slurm.jobs = forged("caf\udce9")
    assert ("night", "caf?") in collected(slurm)["slurm_running_gpus"]


def test_a_reason_is_one_word() -> None:
    slurm = FakeSlurm()
    lines = {
        "Nodes required, gpu7=1": "Nodes",
        '"} 1\nx': "None",
        "ReqNodeNotAvail(Unavailable:gpu[1-9])": "ReqNodeNotAvail",
    }
    for reason, word in lines.items():
        slurm.jobs = recorded("jobs", "22.05").replace("|Resources|", f"|{reason}|")
        assert ("night", word) in collected(slurm)["slurm_pending_reason_jobs"]


def test_the_mark_is_another_one_each_time() -> None:
    slurm = FakeSlurm()
    made = exporter(slurm)
    for _turn in range(3):
        made.collect()
    assert len({words[-1] for words in slurm.asked if words[0] == "squeue"}) == 3
    assert not any("Name" in field and "User" not in field for field in reading._SQUEUE_FIELDS)


def test_the_reason_of_a_drain_is_text() -> None:
    text = recorded("nodes", "22.05").replace("disk [odd]", "\nNodeName=gpu9 State=IDLE")
    with pytest.raises(reading.SlurmError, match="no node"):
        reading.parse_nodes(text)
    text = recorded("nodes", "22.05").replace("disk [odd]", "a\nb NodeName=gpu1 CPUAlloc=7")
    assert [one.cpus_allocated for one in reading.parse_nodes(text)] == [2, 1, 2, 0, 0]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: "", "shows no node"),
        (lambda text: text + text, "twice"),
        (lambda text: text.replace("State=IDLE+DRAIN", "State="), "no state"),
        (lambda text: text.replace("CPUAlloc=1", "CPUAlloc=many"), "no node"),
        (lambda text: text[: text.index("State=")], "'State'"),
        (lambda text: "slurm_load_node: error\n", "no node"),
    ],
)
def test_broken_nodes_are_an_error(change: Callable[[str], str], complaint: str) -> None:
    with pytest.raises(reading.SlurmError, match=complaint) as caught:
        reading.parse_nodes(change(recorded("nodes", "22.05")))
    assert caught.value.kind == "malformed"


def test_every_cut_within_a_job_is_an_error() -> None:
    text = recorded("jobs", "22.05")
    whole = {at + len(MARK) + 2 for at in range(len(text)) if text.startswith(f"|{MARK};", at)}
    for end in range(1, len(text)):
        if end not in whole and end - 1 not in whole:
            with pytest.raises(reading.SlurmError):
                reading.parse_jobs(text[:end], MARK)


@pytest.mark.parametrize("name", ["JobID", "NodeList"])
def test_broken_jobs_are_an_error(name: str) -> None:
    at = reading._SQUEUE_FIELDS.index(name)
    words = recorded("jobs", "22.05").split("|")
    words[at] = "gpu[1-"
    with pytest.raises(reading.SlurmError, match="cannot be read"):
        reading.parse_jobs("|".join(words), MARK)


def test_no_job_at_all() -> None:
    slurm = FakeSlurm()
    slurm.jobs = ""
    slurm.nodes = recorded("nodes", "22.05").replace("CPUAlloc=1", "CPUAlloc=0").replace("CPUAlloc=2", "CPUAlloc=0")
    found = collected(slurm)
    assert set(found["slurm_jobs"].values()) == {0.0} and found["slurm_up"] == {(): 1.0}


def test_jobs_that_are_hidden_are_not_zero() -> None:
    slurm = FakeSlurm()
    slurm.jobs = ""
    found = collected(slurm)
    assert (found["slurm_up"], found["slurm_exporter_jobs_hidden"]) == ({(): 1.0}, {(): 1.0})
    assert "slurm_node_gpus" in found
    assert not {"slurm_jobs", "slurm_pending_gpus", "slurm_running_gpus", "slurm_job_gpus"} & set(found)


def test_the_first_job_of_all_starts_between_two_readings() -> None:
    slurm = FakeSlurm()
    shown = slurm.jobs

    def ask(words: Sequence[str], seconds: float) -> str:
        slurm.jobs = shown if any(word[0] == "scontrol" for word in slurm.asked) else ""
        return slurm(words, seconds)

    found = collected(ask)
    assert found["slurm_exporter_jobs_hidden"] == {(): 0.0} and sum(found["slurm_jobs"].values()) > 0
    assert [words[0] for words in slurm.asked] == ["squeue", "scontrol", "squeue"]


# --- Small readers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(null)", 0),
        ("gpu:8", 8),
        ("gpu:h100:8(S:0-1)", 8),
        ("gpu:h100:4(S:0,1),gpu:a100:2,shard:16", 6),
        ("gpu:h100:2(IDX:0,3),gpu:a100:0(IDX:N/A)", 2),
        ("craynetwork:4,gpu", 1),
        ("gpu:1g.10gb:7", 7),
    ],
)
def test_gpus_of_a_node(text: str, count: int) -> None:
    assert reading.gres_gpus(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("N/A", 0),
        ("", 0),
        ("gres:gpu:2", 2),
        ("gres:gpu:h100:2", 2),
        ("gres/gpu:2", 2),
        ("gres/gpu=3", 3),
        ("gres/gpu:h100=3", 3),
        ("gres/gpu", 1),
        ("gres:gpu:h100", 1),
        ("cpu=8,gres/gpu:1", 1),
        ("cpu=4,mem=10M,node=1,billing=4,gres/gpu=6,gres/gpu:h100=4,gres/gpu:a100=2", 6),
        ("gres/gpu:h100=4,gres/gpu:a100=2", 6),
        ("gres/gpumem=80G,gres/gpuutil=50,gres/shard=4", 0),
    ],
)
def test_gpus_that_a_job_asks_for(text: str, count: int) -> None:
    assert reading.tres_gpus(text) == count


@pytest.mark.parametrize(
    ("fields", "nodes", "wanted"),
    [
        ({"tres-per-node": "gres/gpu:2"}, 3, (6, 2)),
        ({"tres-per-job": "gres/gpu:5"}, 2, (5, 0)),
        ({"tres-per-task": "gres/gpu:1", "NumTasks": "8"}, 2, (8, 0)),
        ({"tres-per-task": "gres/gpu:1", "NumTasks": "4294967294"}, 2, (2, 0)),
        ({"tres-per-socket": "gres/gpu:2"}, 2, (4, 0)),
        # What is allocated counts, whatever was asked for.
        ({"tres-alloc": "cpu=1,gres/gpu=4", "tres-per-node": "gres/gpu:1"}, 2, (4, 0)),
        ({"tres-alloc": "cpu=1,gres/gpu=2", "tres-per-node": "gres/gpu:1"}, 2, (2, 1)),
        ({}, 2, (0, 0)),
    ],
)
def test_gpus_of_a_job(fields: dict[str, str], nodes: int, wanted: tuple[int, int]) -> None:
    assert reading._job_gpus(dict.fromkeys(reading._SQUEUE_FIELDS, "N/A") | fields, nodes) == wanted


@pytest.mark.parametrize(
    ("text", "count"),
    [("N/A", 1), ("7", 1), ("0-9%2", 10), ("1,3,5-9", 7), ("0-20:5", 5), ("0-999999", 1000000), ("9-1", 1), ("x", 1)],
)
def test_tasks_of_an_array(text: str, count: int) -> None:
    assert reading.array_count(text) == count


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("2K", 2048), ("2-8", 2), ("4294967294", 9), ("", 9)])
def test_counts(text: str, number: int) -> None:
    assert reading._number(text, 9) == number


def test_host_lists() -> None:
    assert reading.expand("gpu[1-3,07],store1") == ["gpu1", "gpu2", "gpu3", "gpu07", "store1"]
    assert reading.expand("r[1-2]n[01-02]") == ["r1n01", "r1n02", "r2n01", "r2n02"]
    assert reading.expand("") == []
    for text in ("gpu[1-99999999]", "a[1-999]b[1-999]c[1-999]", "gpu[", "gpu[1-2", "gpu[a]"):
        with pytest.raises(ValueError):  # noqa: PT011 - one kind for all that is no list
            reading.expand(text)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("idle", "drain", "not_responding"), "drain"),
        (("down", "drain"), "down"),
        (("mixed", "drain"), "drain"),
        (("idle", "reserved"), "reserved"),
        (("mixed", "reserved"), "mixed"),
        (("mixed", "maint"), "maint"),
        (("idle", "completing"), "completing"),
        (("allocated", "planned"), "allocated"),
        (("idle", "cloud", "powered_down"), "powered_down"),
        (("future",), "future"),
    ],
)
def test_a_node_is_counted_once(words: tuple[str, ...], shown: str) -> None:
    assert node("gpu1", words=words).shown == shown


# --- Shares of jobs --------------------------------------------------------------------------------------------------


def test_what_is_known_of_others_gives_the_rest() -> None:
    jobs = [
        job(id="1", nodes=("a", "b"), gpus=9),
        job(id="2", nodes=("b", "c"), gpus=4, gpus_per_node=2),
        job(id="3", nodes=("c",), gpus=5),
    ]
    assert reading.gpus_by_node(jobs, [node("a", 8), node("b", 3), node("c", 7)]) == {
        "1": {"a": 8, "b": 1},
        "2": {"b": 2, "c": 2},
        "3": {"c": 5},
    }


def test_two_jobs_of_unknown_shares_get_even_ones() -> None:
    jobs = [job(id="1", nodes=("a", "b", "c"), gpus=8), job(id="2", nodes=("b", "c"), gpus=3)]
    shares = reading.gpus_by_node(jobs, [node("a", 4), node("b", 4), node("c", 3)])
    assert shares == {"1": {"a": 4, "b": 2, "c": 2}, "2": {"b": 2, "c": 1}}


def test_the_sum_of_a_job_counts_when_two_readings_disagree() -> None:
    jobs = [job(id="1", nodes=("a", "b"), gpus=5)]
    for nodes in ([], [node("a", 8), node("b", 8)], [node("a", 1), node("b", 1)]):
        assert reading.gpus_by_node(jobs, nodes) == {"1": {"a": 3, "b": 2}}


def test_only_who_holds_gpus_has_a_share() -> None:
    jobs = [job(id=str(at), state=state, gpus=1) for at, state in enumerate(("pending", "completing", "ended"))]
    assert reading.gpus_by_node([*jobs, job(gpus=0), job(gpus=1, nodes=())], []) == {}


# --- Bounds ----------------------------------------------------------------------------------------------------------


def test_series_of_jobs_have_a_bound() -> None:
    found = collected(FakeSlurm(), most=3)
    assert {key[0] for key in found["slurm_job_gpus"]} == {"1", "2"}, "those with the most GPUs"
    assert found["slurm_exporter_gpu_jobs_left_out"] == {(): 2.0}
    assert set(found["slurm_job_start_timestamp_seconds"]) == {("1",), ("2",)}
    off = collected(FakeSlurm(), most=0)
    assert "slurm_job_gpus" not in off and "slurm_running_gpus" in off


def test_accounts_and_reasons_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MAX_ACCOUNTS", 1)
    monkeypatch.setattr(program, "MAX_REASONS", 2)
    found = collected(FakeSlurm())
    assert found["slurm_running_gpus"] == {("main", ""): 8.0, ("night", "other"): 1.0}
    assert len({reason for _partition, reason in found["slurm_pending_reason_jobs"]}) == 3
    assert sum(found["slurm_pending_reason_jobs"].values()) == 13


def test_what_came_first_stays_known() -> None:
    bounded = program.Bounded(2)
    assert [bounded(text) for text in ("a", "b", "c", "a", "d", "b")] == ["a", "b", "other", "a", "other", "b"]


# --- Users -----------------------------------------------------------------------------------------------------------


def users(slurm: FakeSlurm, **settings: Any) -> set[str]:
    return {key[1] for key in collected(slurm, **settings)["slurm_job_gpus"]}


def test_users_are_nobody_a_word_or_a_name(tmp_path: Path) -> None:
    slurm = FakeSlurm()
    assert users(slurm) == {""}
    assert users(slurm, user="name") == {"root"}
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    (word,) = users(slurm, user="hash", key=first)
    assert len(word) == 12 and "root" not in word
    assert users(slurm, user="hash", key=first) == {word}, "the same after a restart"
    assert users(slurm, user="hash", key=second) != {word}, "another one in another cluster"
    assert Path(first).stat().st_mode & 0o777 == 0o600 and len(Path(first).read_bytes()) == 32


def test_a_key_that_is_cut_off_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"")
    with pytest.raises(OSError, match="too short"):
        program.user_label("hash", str(tmp_path / "key"))


# --- Waiting times ---------------------------------------------------------------------------------------------------


def test_waits_are_counted_once_for_each_start() -> None:
    waits = program.Waits()
    waits.add([job(id="1", start=110)])
    assert waits.counts == {}, "what ran before tells nothing"
    started = [job(id="1", start=110), job(id="2", start=145), job(id="3", state="ended", start=100, partition="x")]
    waits.add(started)
    waits.add(started)
    assert {name: sum(counts) for name, counts in waits.counts.items()} == {"main": 1, "x": 1}
    assert waits.sums == {"main": 45, "x": 0}
    waits.add([job(id="2", start=400, eligible=390)])
    assert (sum(waits.counts["main"]), waits.sums["main"]) == (2, 55), "queued again, started again"


def test_who_never_had_a_node_did_not_start() -> None:
    waits = program.Waits()
    waits.add([])
    waits.add(
        [
            job(id="1", state="ended", nodes=()),
            job(id="2", state="pending", start=9999),
            job(id="3", start=None),
            job(id="4", eligible=None),
        ]
    )
    assert waits.counts == {}


def test_the_histogram_is_cumulative() -> None:
    slurm = FakeSlurm()
    made = exporter(slurm)
    slurm.jobs = ""
    slurm.nodes = slurm.nodes.replace("CPUAlloc=1", "CPUAlloc=0").replace("CPUAlloc=2", "CPUAlloc=0")
    made.collect()
    slurm.jobs = recorded("jobs", "22.05")
    made.collect()
    found = values(made.page())
    counts = found["slurm_job_wait_seconds_count"]
    assert counts == {("main",): 4.0, ("night",): 1.0, ("secret",): 1.0}
    buckets = [
        found["slurm_job_wait_seconds_bucket"][("main", str(bound))] for bound in (*program.WAIT_BUCKETS, "+Inf")
    ]
    assert buckets == sorted(buckets) and buckets[-1] == 4
    assert found["slurm_job_wait_seconds_sum"][("main",)] == 4, "each of them waited for one second"


@pytest.mark.parametrize(("seconds", "bound"), [(0, 1), (1, 1), (2, 10), (604800, 604800), (604801, None)])
def test_a_bucket_holds_its_own_bound(seconds: int, bound: int | None) -> None:
    waits = program.Waits()
    waits.add([])
    waits.add([job(eligible=1000, start=1000 + seconds)])
    at = waits.counts["main"].index(1)
    assert (program.WAIT_BUCKETS[at] if at < len(program.WAIT_BUCKETS) else None) == bound


# --- Failures --------------------------------------------------------------------------------------------------------


def test_a_failure_drops_all_values_and_the_next_success_brings_them_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    slurm = FakeSlurm()
    made = exporter(slurm)
    made.collect()
    slurm.error = reading.SlurmError("timeout", "squeue did not end in time")
    for _turn in range(3):
        made.collect()
    found = values(made.page())
    assert found["slurm_up"] == {(): 0.0}
    # What is counted over time stays.
    assert {name for name in found if not name.startswith("slurm_exporter_")} <= {
        "slurm_up",
        "slurm_scrape_duration_seconds",
    }
    assert found["slurm_exporter_failures_total"][("timeout",)] == 3
    assert found["slurm_exporter_collections_total"] == {(): 4.0}
    slurm.error = None
    made.collect()
    found = values(made.page())
    assert found["slurm_up"] == {(): 1.0} and "slurm_jobs" in found
    assert [record.message for record in caplog.records] == [
        "Slurm is not read: squeue did not end in time",
        "Slurm is read again",
    ], "once, not once in each interval"


def test_half_an_answer_is_none() -> None:
    slurm = FakeSlurm()
    slurm.nodes = ""
    found = collected(slurm)
    assert found["slurm_up"] == {(): 0.0} and "slurm_jobs" not in found
    assert found["slurm_exporter_failures_total"][("malformed",)] == 1


def test_an_error_of_its_own_is_a_failure_too() -> None:
    slurm = FakeSlurm()
    slurm.error = ZeroDivisionError("x")
    found = collected(slurm)
    assert found["slurm_up"] == {(): 0.0} and found["slurm_exporter_failures_total"][("internal",)] == 1


def test_scrapes_ask_slurm_nothing() -> None:
    slurm = FakeSlurm()
    made = exporter(slurm)
    made.collect()
    assert {made.page() for _turn in range(50)} == {made.page()} and len(slurm.asked) == 2
    assert gzip.decompress(made.page(packed=True)) == made.page()


def test_collections_that_stopped_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    made = exporter(FakeSlurm())
    made.collect()
    now = time.monotonic()
    monkeypatch.setattr(program.time, "monotonic", lambda: now + 3600)
    found = values(made.page())
    assert found["slurm_up"] == {(): 0.0} and "slurm_jobs" not in found
    assert gzip.decompress(made.page(packed=True)) == made.page()


# --- Commands --------------------------------------------------------------------------------------------------------


def script(folder: Path, text: str, name: str = "squeue") -> Any:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return program.Commands(str(folder))


def test_a_command_sees_no_options_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "R")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    monkeypatch.setenv("SLURM_CONF", "/x/slurm.conf")
    run = script(tmp_path, 'echo "$1 $SQUEUE_STATES $SLURM_TIME_FORMAT $SLURM_BITSTR_LEN $SLURM_CONF"')
    assert run(["squeue", "a"], 5) == "a  %s 0 /x/slurm.conf\n"


@pytest.mark.parametrize(
    ("text", "kind", "complaint"),
    [
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "refused", "failed with 1: 'Unable to contact"),
        ("kill -9 $$", "refused", "failed with -9"),
        ("exec sleep 60", "timeout", "does slurmctld answer"),
        ("sleep 60 & wait", "timeout", "does slurmctld answer"),
    ],
)
def test_a_command_that_fails(tmp_path: Path, text: str, kind: str, complaint: str) -> None:
    run = script(tmp_path, text)
    started = time.monotonic()
    with pytest.raises(reading.SlurmError, match=complaint) as caught:
        run(["squeue"], 0.1 if kind == "timeout" else 30)
    assert caught.value.kind == kind and time.monotonic() - started < 20


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(reading.SlurmError, match="scontrol cannot be started") as caught:
        program.Commands(str(tmp_path))(["scontrol"], 5)
    assert caught.value.kind == "not_run"


def test_a_process_that_cannot_be_ended_stays_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = script(tmp_path, f"echo x >> {tmp_path}/starts; exec sleep 60")
    end = os.killpg
    monkeypatch.setattr(program, "KILLED_SECONDS", 0.05)
    # A process that hangs in the kernel takes no notice of a signal.
    monkeypatch.setattr(program.os, "killpg", lambda _number, _kind: None)
    with pytest.raises(reading.SlurmError, match="did not end"):
        run(["squeue"], 0.1)
    with pytest.raises(reading.SlurmError, match="cannot be ended"):
        run(["squeue"], 0.1)
    starts = tmp_path / "starts"
    deadline = time.monotonic() + 20
    while not (starts.exists() and starts.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert starts.read_text() == "x\n"
    end(run._stuck.pid, 9)
    run._stuck.communicate()
    with pytest.raises(reading.SlurmError, match="did not end"):
        run(["squeue"], 0.1)
    end(run._stuck.pid, 9)
    run._stuck.communicate()


def test_once_prints_the_page(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    script(tmp_path, f"cat {FIXTURES}/exporter_nodes_24.11.txt", "scontrol")
    # The mark stands behind the last bar of the last word.
    script(
        tmp_path, f'for last; do :; done; m=${{last##*|}}; sed "s/{MARK}/${{m%;}}/g" {FIXTURES}/exporter_jobs_24.11.txt'
    )
    assert program.main(["--once", f"--slurm-programs={tmp_path}"]) == 0
    assert values(capfdbinary.readouterr().out)["slurm_up"] == {(): 1.0}
    (tmp_path / "scontrol").unlink()
    assert program.main(["--once", f"--slurm-programs={tmp_path}"]) == 1
    assert values(capfdbinary.readouterr().out)["slurm_up"] == {(): 0.0}


@pytest.mark.parametrize("words", [["--tls-key=x"], ["--tls-client-ca=x"], ["--user-label=hash"], ["--user-label=x"]])
def test_arguments_that_cannot_work(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        program.parse_arguments(words)


def test_collections_go_on_until_the_end() -> None:
    stop = threading.Event()
    slurm = FakeSlurm()
    goods = program.collections(exporter(slurm), 0.0, stop)
    assert next(goods) is True
    stop.set()
    assert list(goods) == []


# --- Serving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    servers = []

    def start(certificates: Any = None) -> Any:
        made = exporter(FakeSlurm())
        made.collect()
        server = program.Server("127.0.0.1", 0, made, certificates)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(
    port: int, path: str = "/metrics", method: str = "GET", tls: ssl.SSLContext | None = None, accept: str = "identity"
) -> tuple[int, bytes, dict[str, str]]:
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
    try:
        connection.request(method, path, headers={"Accept-Encoding": accept})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_what_is_served(serve: Callable[..., Any]) -> None:
    server = serve()
    port = server.server_port
    status, page, headers = ask(port)
    assert (status, page) == (200, server.exporter.page())
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Python" not in headers["Server"]
    status, packed, headers = ask(port, "/metrics?x=1", accept="gzip")
    assert status == 200 and gzip.decompress(packed) == page and headers["Content-Encoding"] == "gzip"
    assert ask(port, method="HEAD")[:2] == (200, b"")
    assert ask(port, "/")[0] == 404 and ask(port, "/metrics/../x")[0] == 404
    assert ask(port, method="POST")[0] == 501


def test_clients_have_a_bound(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MAX_CLIENTS", 1)
    port = serve().server_port
    with socket.create_connection(("127.0.0.1", port)):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            # The silent one may not have its thread yet.
            try:
                ask(port)
            except (ConnectionError, http.client.HTTPException):
                break
        else:
            pytest.fail("a second client was let in")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert ask(port)[0] == 200
            return
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.01)
    pytest.fail("the place of a client that left is not free again")


def certificate(folder: Path, name: str, authority: str | None = None) -> None:
    """A key and a certificate for localhost, by itself or by another one."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
    if authority is None:
        words += ["-addext", "basicConstraints=critical,CA:TRUE"]
    else:
        words += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
        words += ["-CA", f"{folder}/{authority}.crt", "-CAkey", f"{folder}/{authority}.key"]
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    for name, authority in (("ca", None), ("other", None), ("node", "ca"), ("node2", "ca"), ("stranger", "other")):
        certificate(folder, name, authority)
    return folder


def client(pki: Path, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    if name is not None:
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return context


def test_tls_with_certificates_of_clients(serve: Callable[..., Any], pki: Path) -> None:
    paths = [str(pki / name) for name in ("node.crt", "node.key", "ca.crt")]
    port = serve(program.Certificates(*paths)).server_port
    assert ask(port, tls=client(pki, "node2"))[0] == 200
    for name in (None, "stranger"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(port, tls=client(pki, name))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(port)


def test_a_client_that_says_nothing_holds_nobody_up(serve: Callable[..., Any], pki: Path) -> None:
    port = serve(program.Certificates(str(pki / "node.crt"), str(pki / "node.key"), "")).server_port
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        started = time.monotonic()
        assert ask(port, tls=client(pki))[0] == 200
        assert time.monotonic() - started < program.CLIENT_SECONDS


def test_a_renewed_certificate_needs_no_restart(serve: Callable[..., Any], pki: Path, tmp_path: Path) -> None:
    own, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def place(name: str, only: Path | None = None) -> None:
        for path in (own, key):
            if only in (None, path):
                path.write_bytes((pki / f"{name}{path.suffix}").read_bytes())
                at = time.time_ns()
                os.utime(path, ns=(at, at))

    def issued(name: str) -> str:
        return (pki / f"{name}.crt").read_text().strip()

    def shown(port: int) -> str:
        plain = socket.create_connection(("127.0.0.1", port))
        with client(pki).wrap_socket(plain, server_hostname="localhost") as secure:
            return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"").strip()

    place("node")
    port = serve(program.Certificates(str(own), str(key), "")).server_port
    assert shown(port) == issued("node")
    place("node2", only=own)
    assert shown(port) == issued("node"), "a certificate without its key is not used"
    place("node2")
    assert shown(port) == issued("node2")
