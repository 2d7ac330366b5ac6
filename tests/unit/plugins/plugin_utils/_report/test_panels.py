# Tests of panels, tables and cases: no data is told from nothing to show, and limits are seen.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils._report import cases, page, panels, questions, tables
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import Answers, clean
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import Material

END = 100_000.0


def material(*found: tuple[str, Any, dict[str, str]], **more: Any) -> Material:
    """Answers of panel p in section s, each the name of its query, a value or pairs, and labels."""
    results: list[dict[str, Any]] = []
    for kind in ("now", "over_time"):
        entries = [
            {
                "labels": {**labels, "aidc_report": f"p.{name}"},
                **({"values": value} if isinstance(value, list) else {"timestamp": END, "value": value}),
            }
            for name, value, labels in found
            if isinstance(value, list) == (kind == "over_time")
        ]
        results.append({"item": {"section": "s", "kind": kind}, "result": entries})
    return Material(Answers(results), END - 1000, END, 100, section="s", **more)


def texts(view: Any) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in view["rows"]]


def test_a_number_its_whole_and_its_limit() -> None:
    panel = {"id": "p", "title": "GPUs", "unit": "GPUs", "short_of_whole": "bad"}
    view = panels.stat(panel, material(("value", 31, {}), ("whole", 32, {})))
    assert view is not None
    assert (view["number"], view["whole"], view["unit"], view["tone"]) == ("31", "of 32", "GPUs", "bad")
    view = panels.stat(panel, material(("value", 32, {"source": "GPUs only"})))
    assert view is not None and view["tone"] == "" and view["note"] == "GPUs only"


@pytest.mark.parametrize("found", [[], [("value", "NaN", {})], [("whole", 4, {})]])
def test_no_number_is_no_zero(found: list[Any]) -> None:
    assert panels.stat({"id": "p", "unit": "W"}, material(*found)) is None


@pytest.mark.parametrize(
    ("limits", "value", "seen"),
    [
        ({"warn_above": 0}, 0, ""),
        ({"warn_above": 0}, 1, "warn"),
        ({"warn_above": 0.8, "bad_above": 0.9}, 0.95, "bad"),
        ({"warn_below": 1}, 0, "warn"),
        ({"bad_above": 0}, None, ""),
    ],
)
def test_limits(limits: dict[str, float], value: float | None, seen: str) -> None:
    assert panels.tone(limits, value) == seen


def test_curves_have_what_they_show_in_words_too() -> None:
    panel = {"id": "p", "title": "Power", "unit": "watts", "by": ["rack"], "queries": {"value": ""}}
    old = [[END - 900, 5000.0], [END - 800, 7000.0]]
    new = [[END - 100, "NaN"], [END, 2000.0]]
    view = panels.curves(panel, material(("value", old, {"rack": "r10"}), ("value", new, {"rack": "r2"})))
    assert view is not None
    assert [(row["name"], row["last"], row["lowest"], row["highest"]) for row in view["legend"]] == [
        ("r2", "2 kW", "2 kW", "2 kW"),
        ("r10", "\u2013", "5 kW", "7 kW"),
    ], "a curve that ended earlier has no value at the end"


def test_of_too_many_curves_the_highest_are_shown() -> None:
    panel = {"id": "p", "title": "x", "unit": "watts", "by": ["n"], "queries": {"value": ""}}
    found = [("value", [[END, float(number)]], {"n": str(number)}) for number in range(11)]
    view = panels.curves(panel, material(*found))
    assert view is not None and [row["name"] for row in view["legend"]] == [str(number) for number in range(3, 11)]
    assert view["more"].startswith("3 more curves")


@pytest.mark.parametrize("maker", [panels.bars, panels.figures, panels.curves, tables.alerts])
def test_nothing_to_show_is_not_no_data(maker: Any) -> None:
    panel = {"id": "p", "title": "x", "unit": "W", "by": [], "columns": [], "queries": {}, "empty": "None."}
    assert maker(panel, material()) is None
    view = maker(panel, material(("basis", 1, {})))
    assert view["empty"] in ("None.", "No alert fires.")


def test_a_table_joins_its_columns_and_says_what_it_does_not_know() -> None:
    panel = {
        "id": "p",
        "by": [{"name": "node", "title": "Node"}],
        "columns": [
            {"name": "power", "title": "Power", "unit": "watts"},
            {"name": "used", "title": "Used", "unit": "ratio", "warn_above": 0.9},
        ],
    }
    view = panels.figures(
        panel,
        material(("power", 900, {"node": "gpu10"}), ("power", 800, {"node": "gpu2"}), ("used", 0.95, {"node": "gpu2"})),
    )
    assert view is not None and texts(view) == [["gpu2", "800 W", "95 %"], ["gpu10", "900 W", "\u2013"]]
    assert view["rows"][0][2]["tone"] == "warn"
    view = panels.figures(
        {**panel, "sort": "power", "most": 1}, material(("power", 1, {"node": "a"}), ("power", 2, {"node": "b"}))
    )
    assert view is not None and texts(view) == [["b", "2 W", "\u2013"]] and view["more"] == "1 more are not shown."


def test_a_heat_map_has_a_place_for_what_is_missing() -> None:
    panel = {
        "id": "p",
        "unit": "celsius",
        "row": "instance",
        "row_title": "Node",
        "column": "gpu",
        "low": 30,
        "high": 100,
        "warn_above": 83,
    }
    view = panels.heat_map(
        panel,
        material(
            ("value", 85, {"instance": "gpu10", "gpu": "1"}),
            ("value", 20, {"instance": "gpu2", "gpu": "0"}),
            ("value", 999, {"instance": "gpu2", "gpu": "10"}),
        ),
    )
    assert view is not None
    assert [column["text"] for column in view["head"]] == ["Node", "0", "1", "10"]
    assert texts(view) == [["gpu2", "20", "\u2013", "999"], ["gpu10", "\u2013", "85", "\u2013"]]
    assert [cell.get("heat") for cell in view["rows"][0]] == [None, "h0", "", "h6"]
    assert [step["text"] for step in view["scale"]] == ["30", "40", "50", "60", "70", "80", "90"]


def test_alerts_stand_in_the_order_of_their_severity_with_what_is_known_of_them() -> None:
    labels = {"alertname": "A", "instance": "gpu1", "fault_class": "a"}
    critical = {**labels, "severity": "critical", "gpu": "3"}
    known = {
        "labels": {**labels, "severity": "low"},
        "annotations": {"summary": "it hurts", "runbook_url": "https://example.com/a.md"},
    }
    view = tables.alerts(
        {"id": "p"},
        material(
            ("value", 1, {**labels, "severity": "low", "alertstate": "firing", "__name__": "ALERTS"}),
            ("value", 1, critical),
            ("since", END - 120, {**labels, "severity": "low"}),
            alerts=[known],
        ),
    )
    assert view is not None and texts(view) == [
        ["critical", "gpu1", "A", "gpu 3", "\u2013", "a"],
        ["low", "gpu1", "A", "it hurts", "2 min", "a"],
    ]
    assert view["rows"][0][0]["tone"] == "bad" and "link" not in view["rows"][0][5]
    assert view["rows"][1][5]["link"] == "https://example.com/a.md"


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", 'https://a" onclick="x', "https://a b", "docs/runbooks/a.md", 7, None],
)
def test_only_addresses_of_the_web_become_links(address: Any) -> None:
    labels = {"alertname": "A", "severity": "low"}
    known = {"labels": labels, "annotations": {"runbook_url": address}}
    view = tables.alerts({"id": "p"}, material(("value", 1, labels), alerts=[known]))
    assert view is not None and "link" not in view["rows"][0][5]


def test_nodes_out_of_service_and_why() -> None:
    found = material(
        ("basis", 4, {}),
        ("silent", 0, {"instance": "gpu4"}),
        ("states", 1, {"node": "gpu3", "state": "drain"}),
        ("states", 1, {"node": "gpu3", "state": "not_responding"}),
        ("alerts", 1, {"instance": "gpu4", "alertname": "NodeUnreachable"}),
        ledger={"cases": [case(1, END - 50, None, node="gpu3", hold_text="waits for Kim")]},
    )
    view = tables.out_of_service({"id": "p"}, found)
    assert view is not None and texts(view) == [
        ["gpu3", "drain, not_responding", "case 1: gpu_lost, waits for Kim"],
        ["gpu4", "does not answer", "alerts NodeUnreachable"],
    ]
    assert tables.out_of_service({"id": "p"}, material()) is None


def case(number: int, opened: float, closed: float | None, **more: Any) -> dict[str, Any]:
    state = "held" if closed is None else "returned"
    return {
        "case_id": number,
        "node": "gpu1",
        "fault_class": "gpu_lost",
        "state": state,
        "step": "drain",
        "opened_at": opened,
        "closed_at": closed,
        "hold_text": None,
        **more,
    }


def test_cases_are_those_of_the_time_of_the_report() -> None:
    ledger = {
        "cases": [
            case(1, 10, 20),  # before
            case(2, END - 900, END - 300),
            case(3, END - 800, END - 700),
            case(4, END - 500, END - 400, state="cancelled"),
            case(5, END - 100, END + 50),  # closed later, so open then
            case(6, END - 60, None, hold_text="<b>"),
            case(7, END + 10, None),  # later
        ]
    }
    found = material(ledger=ledger)

    def number(of: str, unit: str = "cases") -> str:
        view = cases.stat({"of": of, "unit": unit}, found)
        assert view is not None
        return f"{view['number']} {view['unit']}".strip()

    assert [number(of) for of in ("open", "waiting", "closed", "repaired")] == [
        "2 cases",
        "1 case",
        "3 cases",
        "2 cases",
    ]
    assert number("repair_time", "seconds") == "5.8 min"
    view = cases.table({}, found)
    assert view is not None
    assert [(row[0], row[3], row[6], row[7]) for row in texts(view)] == [
        ("5", "open", "1.7 min", ""),
        ("6", "held", "1 min", "<b>"),
        ("2", "returned", "10 min", ""),
        ("4", "cancelled", "1.7 min", ""),
        ("3", "returned", "1.7 min", ""),
    ]


def test_without_a_ledger_nothing_is_said_about_cases() -> None:
    for maker in (cases.stat, cases.table, cases.gate):
        assert maker({"of": "open", "unit": "cases"}, material(ledger={"failure": "no file"})) is None


def test_what_holds_the_loop_back() -> None:
    controls = {"paused_by": "kim", "paused_at": 60.0, "breaker": "A storm.", "breaker_at": 120.0}
    out = {"kind": "node", "name": "gpu2", "until": 7200.0, "by": "robin", "reason": "a fan", "at": 0.0}
    view = cases.gate({}, material(ledger={"controls": controls, "opt_outs": [out]}))
    assert view is not None and texts(view) == [
        ["all actions are paused", "kim", "1970-01-01 00:01", ""],
        ["the breaker has tripped", "", "1970-01-01 00:02", "A storm."],
        ["node gpu2 is left alone", "robin", "1970-01-01 00:00", "until 1970-01-01 02:00: a fan"],
    ]
    view = cases.gate({}, material(ledger={"controls": {}}))
    assert view is not None and view["empty"] == "Nothing holds the loop back."


def test_bundles_name_the_query_of_each_series() -> None:
    section = {
        "id": "s",
        "panels": [
            {"id": "a", "kind": "stat", "trend": True, "queries": {"value": "up", "whole": "1 or 2"}},
            {"id": "b", "kind": "curves", "queries": {"basis": "x", "y": "z"}},
            {"id": "c", "kind": "gate"},
        ],
    }
    now, over_time = questions.questions([section])
    assert (now["section"], now["kind"], over_time["kind"]) == ("s", "now", "over_time")
    assert [part.count("label_replace") for part in (now["query"], over_time["query"])] == [3, 2]
    assert 'label_replace(\n1 or 2\n, "aidc_report", "a.whole", "", "")\nor ' in now["query"]
    assert '"a.value"' in over_time["query"] and '"b.y"' in over_time["query"]
    assert questions.questions([{"id": "s", "panels": [{"id": "c", "kind": "gate"}]}]) == []


def test_a_section_says_what_it_lacks_and_what_was_not_answered() -> None:
    section = {
        "id": "s",
        "title": "Section",
        "panels": [
            {"id": "p", "kind": "stat", "title": "Lost", "unit": "GPUs", "bad_above": 0, "needs": "x", "queries": {}},
            {"id": "q", "kind": "bars", "title": "Bars", "unit": "GPUs", "by": [], "needs": "the role y"},
            {"id": "r", "kind": "gate", "title": "Gate", "needs": "the role z"},
        ],
    }
    found = material(("value", 1, {}), ledger={"failure": "no file"})
    made = page.page([section], found)["sections"][0]
    assert [item["needs"] for item in made["missing"]] == ["the role y", "the role z (no file)"]
    whole = page.page([section], found)
    assert whole["attention"] == [{"section": "s", "tone": "bad", "text": "Lost: 1 GPU"}] and whole["blind"] == []
    silent = Answers([{"ansible_loop_var": "q", "q": {"section": "s", "kind": "now"}, "msg": "x\n" * 999}])
    (made,) = page.page([section], Material(silent, 0, 1, 1))["sections"]
    assert made["panels"] == [] and made["failures"][0].endswith("…") and "\n" not in made["failures"][0]


def test_foreign_text_is_bounded_and_printable() -> None:
    assert clean("a\x1b[2J\u202eb\n") == "a [2J b"
    assert len(clean("x" * 10_000)) == 240
