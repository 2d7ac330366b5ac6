# Tests of the replay of a recording: what it takes in, what it lives through, what it tells.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import replay_input, replay_report
from ansible_collections.aidc.ops.plugins.module_utils._cases.replay import Replay, supposing
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings, parse_settings
from ansible_collections.aidc.ops.plugins.module_utils._errors import ReplayError

FIXTURES = Path(__file__).parents[3] / "fixtures" / "kernel_log"
T0 = 1_790_000_000.0
DAY = 86400.0
HOUR = 3600.0
FELL_OFF = "NVRM: Xid (PCI:0000:1b:00): 79, pid=1, name=x, GPU has fallen off the bus."


def when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def entry(node: str, at: float, line: str = FELL_OFF, **more: Any) -> str:
    return json.dumps({"node": node, "from": "192.0.2.1", "boot": "b:1", "time": when(at), "line": line, **more}) + "\n"


def alert(node: str, began: float, ended: float | None, fault: str = "gpu_row_remap_failure", **more: Any) -> Any:
    labels = {"alertname": "A", "fault_class": fault, "instance": node, "pci_bus_id": "00000000:1B:00.0"}
    ends = when(ended) if ended is not None else "0001-01-01T00:00:00Z"
    return {"labels": labels, "startsAt": when(began), "endsAt": ends, **more}


def settings_of(**changes: Any) -> Settings:
    nodes = {f"n{number}": {"rack": f"r{number // 10}"} for number in range(100)}
    common = {"schema_version": 1, "ledger": "/none/l", "evidence_dir": "/none", "ticket_dir": "/none", "nodes": nodes}
    return parse_settings({**common, **changes})


class Site:
    """Writes recordings and replays them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kernel: list[str] = []
        self.alerts: list[str] = []
        self.settings = settings_of()

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        self.kernel.append(str(path)) if name.startswith("kernel") else self.alerts.append(str(path))
        return str(path)

    def replay(self, act: bool = True, person: float = DAY, hours: float | None = None) -> dict[str, Any]:
        recording = replay_input.read(self.kernel, self.alerts, self.settings)
        supposed = supposing(self.settings, str(self.folder / f"ledger-{act}-{person}.sqlite"), act)
        return replay_report.data(Replay(recording, supposed, person).run(), len(self.settings.nodes), hours)


@pytest.fixture
def site(memory_path: Path) -> Site:
    return Site(memory_path)


def steps(case: dict[str, Any]) -> list[str]:
    return [item["step"] for item in case["steps"]]


@pytest.mark.slow
def test_a_healthy_day_of_a_hundred_nodes_takes_no_node_out(site: Site) -> None:
    """The benign corpus on every node: fewer than 1 false drain in 1,000 node-days is the goal; there is none."""
    files = [*sorted(FIXTURES.glob("ordinary_*.txt")), FIXTURES / "near_misses.txt"]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    content = "".join(
        entry(f"n{node}", T0 + at * DAY / len(lines), line) for node in range(100) for at, line in enumerate(lines)
    )
    site.file("kernel", content)
    answer = site.replay(hours=24)
    assert answer["totals"]["lines"] == answer["totals"]["lines_no_fault"] == 100 * len(lines)
    assert (answer["totals"]["drains"], answer["totals"]["drains_per_1000_node_days"]) == (0, 0.0)
    assert answer["cases"] == [] and answer["refused"] == {}


def test_what_would_have_happened(site: Site) -> None:
    site.file("kernel", entry("n1", T0) + entry("n2", T0 + 60) + entry("n3", T0 + 120) + entry("n50", T0 + HOUR))
    site.file("alerts", json.dumps(alert("n60", T0 + 2 * HOUR, T0 + 9 * HOUR)) + "\n")
    answer = site.replay()
    found = {case["node"]: case for case in answer["cases"]}
    assert steps(found["n1"]) == ["cordon", "evidence", "drain", "reboot", "validate", "resume"]
    assert found["n1"]["drained_at"] == T0 and found["n1"]["closed_at"] > T0 + 2000
    assert [item["reason"] for item in found["n3"]["decisions"]][:1] == ["rack"]
    assert steps(found["n60"])[-1] == "resume"
    # What fires on after its pretended repair is not taken up again.
    assert len(answer["cases"]) == 5
    assert answer["classes"]["gpu_fell_off_bus"]["seen"] == 4
    assert answer["classes"]["gpu_row_remap_failure"] == {"seen": 1, "cases": 1, "again": 0, "drains": 1, "refused": {}}
    assert answer["totals"]["days"] == pytest.approx(9 / 24, abs=0.001)
    text = "\n".join(replay_report.lines(answer))
    assert "refused (rack)" in text and "5 cases; 5 nodes would have been taken out" in text


def test_the_modes_of_the_site(site: Site) -> None:
    site.file("kernel", entry("n1", T0) + entry("n2", T0 + HOUR))
    answer = site.replay(act=False)
    assert [case["state"] for case in answer["cases"]] == ["observed", "observed"]
    assert answer["totals"]["drains"] == 0
    assert "observed, else granted" in "\n".join(replay_report.lines(answer))
    site.settings = settings_of(gate={"class_modes": {"gpu_fell_off_bus": "observe"}})
    assert [case["state"] for case in site.replay(person=2 * DAY)["cases"]] == ["observed", "observed"]


def test_a_person_approves_and_repairs_after_a_while(site: Site) -> None:
    site.settings = settings_of(gate={"class_modes": {"gpu_fell_off_bus": "approve"}})
    site.file("kernel", entry("n1", T0) + entry("n2", T0 + 5 * DAY, "nothing"))
    (case,) = site.replay(person=HOUR)["cases"]
    assert case["drained_at"] == T0 + HOUR
    assert (steps(case)[-1], case["state"]) == ("resume", "returned")


def test_a_storm_trips_the_breaker_until_a_person_comes(site: Site) -> None:
    site.file("kernel", "".join(entry(f"n{7 * at}", T0 + at) for at in range(12)) + entry("n99", T0 + 3 * DAY))
    answer = site.replay(person=10 * HOUR)
    (tripped,) = answer["breaker"]
    assert tripped["at"] == T0 + 9 and "storm" in tripped["text"]
    assert "storm" in answer["classes"]["gpu_fell_off_bus"]["refused"]
    late = [case["drained_at"] for case in answer["cases"] if case["drained_at"] > T0 + 10 * HOUR]
    assert late and max(late) <= T0 + 3 * DAY


def test_the_same_fault_again_is_marked(site: Site) -> None:
    site.file("kernel", entry("n1", T0) + entry("n1", T0 + 2 * HOUR) + entry("n1", T0 + 5 * DAY))
    assert [case["again"] for case in site.replay()["cases"]] == [False, True, False]


def test_recorded_polls(site: Site) -> None:
    firing = alert("n1", T0, None, "ib_port_flapping")
    firing["labels"].update(device="mlx5_0", port="1")
    silenced = alert("n2", T0, None, status={"silencedBy": ["x"], "inhibitedBy": []})
    watchdog = {"labels": {"alertname": "Watchdog"}, "startsAt": when(T0)}
    polls = [
        {"time": when(T0 + 5), "alerts": [firing, silenced, watchdog]},
        {"time": when(T0 + 35), "alerts": [firing, watchdog, alert("zz", T0, None)]},
        {"time": when(T0 + 600), "alerts": []},
        {"time": when(T0 + DAY), "alerts": []},
    ]
    site.file("alerts", json.dumps(polls))
    answer = site.replay()
    (case,) = answer["cases"]
    assert (case["node"], case["opened_at"]) == ("n1", T0 + 5)
    assert answer["totals"]["polls"] == 4 and answer["refused"]["unknown_node"]["count"] == 1
    # The monitoring was blind from the third poll on: nothing returns by itself then.
    assert ("resume", "blind") in [(item["step"], item["reason"]) for item in case["decisions"]]


def test_nothing_of_the_site_is_touched(site: Site) -> None:
    site.file("kernel", entry("n1", T0))
    supposed = supposing(site.settings, "/here", True)
    assert (supposed.ledger, supposed.ledger_password_file) == ("/here", None)
    assert supposed.gate.out_max == site.settings.gate.out_max
    assert site.replay()["totals"]["days"] == 0.0 and site.replay(person=9.0)["totals"]["drains"] == 1
    assert site.replay(person=8.0)["totals"]["drains_per_1000_node_days"] is None


def test_what_the_loop_would_refuse_is_counted_with_its_place(site: Site) -> None:
    path = site.file("kernel", entry("n1", T0) + "no json\n" + entry("zz", T0) + entry("yy", T0) + '{"node": "n')
    answer = site.replay()
    assert answer["refused"]["bad_json"]["first"].startswith(f"{path}:2: ")
    assert answer["refused"]["unknown_node"]["count"] == 2
    assert answer["refused"]["unknown_node"]["first"].startswith(f"{path}:3: ")
    assert answer["totals"]["cut_off"] == 1 and answer["totals"]["cases"] == 1


def test_a_last_line_that_lacks_only_its_end_counts(site: Site) -> None:
    site.file("kernel", entry("n1", T0).rstrip("\n"))
    site.file("alerts", json.dumps(alert("n2", T0, None)) + '\n{"labels"')
    answer = site.replay()
    assert (answer["totals"]["cases"], answer["totals"]["cut_off"]) == (2, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("kernel", "Nov 21 04:00:01 gpu3 kernel: hello\n", r"No line is one of the collector's.*kernel:1: "),
        ("alerts", "[1\n,", r"alerts:2: not JSON"),
        ("alerts", "{}\nno\n{}\n", r"alerts:1: an alert has labels and startsAt"),
        ("alerts", '{"alerts": []}\n', r"alerts:1: a poll has a time"),
        ("alerts", '\n{"alerts": 1, "time": "x"}\n', r"alerts:2: a poll has a time"),
        ("alerts", '{"alerts": [], "time": "yesterday"}\n', r"alerts:1: 'yesterday' is no RFC 3339 time"),
        ("alerts", json.dumps({**alert("n1", T0, None), "startsAt": "x"}) + "\n", r"alerts:1: 'x' is no RFC 3339"),
        ("alerts", json.dumps({**alert("n1", T0, None), "endsAt": 5}) + "\n", r"alerts:1: endsAt is no text"),
        ("alerts", "[[]]", r"alerts:1: neither an alert nor a poll"),
        ("alerts", "no\n{}\n", r"alerts:1: not JSON"),
        ("alerts", "[" * 100_000, r"alerts:1: not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_line(site: Site, name: str, content: str, message: str) -> None:
    site.file(name, content)
    with pytest.raises(ReplayError, match=message):
        site.replay()


def test_a_file_that_is_not_there(site: Site) -> None:
    site.kernel.append("/none/kernel")
    with pytest.raises(ReplayError, match="/none/kernel cannot be read: No such file"):
        site.replay()


def test_empty_files_are_an_empty_recording(site: Site) -> None:
    site.file("kernel", "\n")
    site.file("alerts", "")
    answer = site.replay(hours=1)
    assert answer["totals"]["drains_per_1000_node_days"] == 0.0
    assert replay_report.lines(answer)[1] == "0 cases; 0 nodes would have been taken out, 0 in 1,000 node-days."


def test_a_long_answer_is_shortened_for_people(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_report, "_CASES_SHOWN", 3)
    site.file("kernel", "".join(entry(f"n{10 * at}", T0 + at * HOUR) for at in range(5)))
    assert replay_report.lines(site.replay())[-1] == "… and 2 more cases."


@pytest.mark.parametrize("fault", ["gpu_count_low", "node_unreachable", "rack_unreachable", "ansible_run_failed"])
def test_classes_that_wait_for_their_alert_to_clear(site: Site, fault: str) -> None:
    """Whatever the workflow is, the replay comes to an end."""
    site.file("alerts", json.dumps([alert("n1", T0, T0 + 3 * HOUR, fault), alert("n2", T0 + DAY, None, fault)]))
    answer = site.replay()
    assert answer["totals"]["cases"] >= 1 or answer["refused"]
