# Tests of the metrics text: read back by Prometheus' own parser, and replaced in one step.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.plugins.module_utils._cases import metrics
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_happened_is_there(site: Site) -> None:
    (case_id,) = site.record(site.line()).new_case_ids
    site.ledger.record([], None, site.settings, [('odd "reason"\\\n', "x")])
    site.do(case_id, "cordon")
    site.ledger.pause(True, "kim")
    site.begin(case_id, "evidence")
    site.ledger.heartbeat("watchdog", 5.5)
    seen = samples(metrics.render(site.ledger.counters()))
    prefix = "aidc_remediation_"
    assert seen[prefix + "cases", (("state", "held"),)] == 1
    assert seen[prefix + "cases", (("state", "returned"),)] == 0
    assert seen[prefix + "attempts_total", (("outcome", "done"), ("step", "cordon"))] == 1
    assert seen[prefix + "skipped_total", (("reason", "paused"),)] == 1
    assert seen[prefix + "signals_refused_total", (("reason", 'odd "reason"\\\n'),)] == 1
    assert seen[prefix + "paused", ()] == 1
    assert seen[prefix + "breaker_tripped", ()] == 0
    assert seen[prefix + "source_heartbeat_timestamp_seconds", (("source", "watchdog"),)] == 5.5


def test_an_empty_ledger_gives_all_families(site: Site) -> None:
    text = metrics.render(site.ledger.counters())
    assert text.count("# TYPE") == 10
    assert samples(text)["aidc_remediation_cases", (("state", "open"),)] == 0


def duration(text: str, what: str, workflow: str, state: str, **labels: str) -> float:
    wanted = {"workflow": workflow, "state": state, **labels}
    return samples(text)[f"aidc_remediation_case_duration_seconds_{what}", tuple(sorted(wanted.items()))]


def test_how_long_cases_took_by_what_was_done_and_how_they_ended(site: Site) -> None:
    site.gate(lemon_cases=100, flap_failures=100)
    for number, seconds in enumerate((200, 400, 900_000)):
        (case_id,) = site.record(site.line(boot=100 + number)).new_case_ids
        site.do(case_id, "cordon", "evidence", "drain", "reboot", "validate")
        site.clock.forward(seconds)
        site.do(case_id, "resume")
        site.clock.forward(100_000)
    (case_id,) = site.record(site.alert("gpu3", "ansible_run_failed")).new_case_ids
    site.clock.forward(60)
    site.ledger.cancel(case_id, "kim")
    text = metrics.render(site.ledger.counters())
    assert duration(text, "count", "remove", "returned") == 3
    assert duration(text, "sum", "remove", "returned") == pytest.approx(900_600, abs=1)
    bounds = {"60": 0, "300": 1, "900": 2, "604800": 2, "+Inf": 3}
    assert {le: duration(text, "bucket", "remove", "returned", le=le) for le in bounds} == bounds
    assert duration(text, "bucket", "in_service", "cancelled", le="60") == 1
    assert duration(text, "count", "ticket", "resolved") == 0, "there before the first one"


def test_a_clock_that_was_set_back_makes_no_sum_fall(site: Site) -> None:
    (case_id,) = site.record(site.line()).new_case_ids
    site.clock.forward(-500)
    site.ledger.cancel(case_id, "kim")
    text = metrics.render(site.ledger.counters())
    assert duration(text, "sum", "remove", "cancelled") == 0
    assert duration(text, "bucket", "remove", "cancelled", le="60") == 1


def test_a_class_that_the_site_gave_up_or_changed_is_counted(site: Site) -> None:
    (case_id,) = site.record(site.line()).new_case_ids
    site.ledger.cancel(case_id, "kim")
    counters = site.ledger.counters()
    assert duration(metrics.render(counters, {}), "count", "record", "cancelled") == 1
    changed = {"gpu_fell_off_bus": replace(CLASSES["gpu_fell_off_bus"], workflow=("ticket",))}
    assert duration(metrics.render(counters, changed), "count", "ticket", "cancelled") == 1


def test_the_words_are_those_of_the_alerts() -> None:
    text = (Path(__file__).resolve().parents[5] / "roles/prometheus/templates/workflows.j2").read_text(encoding="utf-8")
    words = dict(re.findall(r"'(\w+)': '(\w+)'", text))
    assert words == {name: metrics.workflow_word(row.workflow) for name, row in CLASSES.items()}
    assert set(words.values()) == set(metrics.WORKFLOWS)


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "aidc_ops.prom"
    path.write_text("old", encoding="utf-8")
    metrics.write_textfile(str(path), "new\n")
    assert path.read_text(encoding="utf-8") == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "aidc_ops.prom").mkdir()
    with pytest.raises(OSError, match="aidc_ops"):
        metrics.write_textfile(str(tmp_path / "aidc_ops.prom"), "new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["aidc_ops.prom"]
