# Tests of the metrics text: read back by Prometheus' own parser, and replaced in one step.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.plugins.module_utils._cases import metrics
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
    assert text.count("# TYPE") == 9
    assert samples(text)["aidc_remediation_cases", (("state", "open"),)] == 0


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
