# Tests of the page that the role report writes: it stands alone, and nothing in it that comes from outside is markup.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from render import ROOT, load_variables, render

from ansible_collections.aidc.ops.plugins.plugin_utils._report import page, questions
from ansible_collections.aidc.ops.plugins.plugin_utils._report.answers import Answers
from ansible_collections.aidc.ops.plugins.plugin_utils._report.page import MAKERS
from ansible_collections.aidc.ops.plugins.plugin_utils._report.panels import Material

HOSTILE = "\"'><script>alert(1)</script>{{ 7 * 7 }}{% raw %}&lt;"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Every element with its attributes, and all text; fails where an element is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def sections() -> Any:
    names = {"report_hours": 24}
    for file in ("defaults", "vars"):
        names = {**load_variables(ROOT / "roles" / "report" / file / "main.yml"), **names}
    return Templar(DataLoader(), variables=names).template(names["__report_sections"])


def shown(found: Any) -> str:
    return render("report", "report.html.j2", report_title=HOSTILE, __report_page=found)


def answers(found: Any, text: str) -> list[dict[str, Any]]:
    """Two series with hostile labels for every query of every panel."""
    results = []
    for question in questions.questions(found):
        section = next(section for section in found if section["id"] == question["section"])
        entries: list[dict[str, Any]] = []
        for panel in section["panels"]:
            for name, _query in questions.queries(panel, question["kind"]):
                for number in range(2):
                    label = text if number else "plain"
                    every = ("instance", "node", "gpu", "state", "severity", "mountpoint", "account", "rack", "source")
                    labels = {**dict.fromkeys(every, label), "aidc_report": f"{panel['id']}.{name}", "alertname": label}
                    value = {"values": [[0, 1.0], [50, 2.0]]} if question["kind"] == "over_time" else {"value": 2.0}
                    entries.append({"labels": labels, "timestamp": 100, **value})
        results.append({"item": question, "result": entries})
    return results


def test_everything_in_the_template_is_escaped_but_what_charts_made() -> None:
    source = (ROOT / "roles" / "report" / "templates" / "report.html.j2").read_text(encoding="utf-8")
    printed = re.findall(r"\{\{(.*?)\}\}", source)
    assert len(printed) > 40
    assert [text for text in printed if not re.search(r"(\| e|^ [\w.]*svg) $", text)] == []
    assert not re.search(r"\|\s*safe|autoescape", source)


def test_a_full_page_is_well_formed_and_hostile_text_is_inert() -> None:
    found = sections()
    case = {
        "case_id": 1,
        "node": HOSTILE,
        "fault_class": HOSTILE,
        "state": HOSTILE,
        "step": HOSTILE,
        "opened_at": 1.0,
        "closed_at": None,
        "hold_text": HOSTILE,
    }
    ledger = {"cases": [case], "controls": {"breaker": HOSTILE, "breaker_at": 1.0}}
    firing = {"labels": {"alertname": HOSTILE}, "annotations": {"summary": HOSTILE, "runbook_url": HOSTILE}}
    material = Material(Answers(answers(found, HOSTILE)), 0, 100, 50, ledger, [firing])
    text = shown(page.page(found, material))
    read = Page(text)
    assert {tag for tag, _attributes in read.elements} & {"script", "img", "iframe", "link", "object"} == set()
    assert not [name for _tag, attributes in read.elements for name in attributes if name.startswith("on")]
    links = {attributes.get("href") for tag, attributes in read.elements if tag == "a"}
    assert {str(link)[0] for link in links} == {"#"}
    assert read.text.count(HOSTILE) > 20
    ids = [attributes["id"] for _tag, attributes in read.elements if "id" in attributes]
    assert ids == [section["id"] for section in found] and {link[1:] for link in links if link} <= set(ids)


def test_an_empty_page_says_for_every_panel_what_it_needs() -> None:
    found = sections()
    read = Page(shown(page.page(found, Material(Answers([]), 0, 100, 50))))
    for section in found:
        for panel in section["panels"]:
            assert f"{panel['title']}: no data, needs {panel['needs']}" in read.text
    assert "None of the numbers that are known is beyond its limit. Nothing is known about: Fleet overview" in read.text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    css = render("report", "report.css.j2")
    assert not re.search(r"@import|@font-face|url\(", css)
    text = shown(page.page(sections(), Material(Answers([]), 0, 100, 50)))
    assert "default-src 'none'" in text and not re.search(r"""\b(src|href)=["']?(?!["#])""", text)


def test_panels_are_complete_and_their_names_their_own() -> None:
    wanted = {"fleet", "alerts", "gpus", "fabric", "storage", "jobs", "capacity", "energy", "remediation", "runs"}
    found = sections()
    assert {section["id"] for section in found} == wanted
    for section in found:
        names = [panel["id"] for panel in section["panels"]]
        assert len(names) == len(set(names))
        for panel in section["panels"]:
            assert panel["kind"] in MAKERS and panel["title"] and panel["needs"]
            if panel["kind"] in ("stat", "curves", "bars", "heat_map", "case_stat"):
                assert "unit" in panel
            if panel["kind"] == "table":
                assert {column["name"] for column in panel["columns"]} == set(panel["queries"]) - {"basis"}
            if "empty" in panel:
                assert "basis" in panel["queries"]


def test_questions_fit_into_an_address() -> None:
    # Servers in front of Prometheus refuse longer ones, nginx at 8 KiB.
    assert [question for question in questions.questions(sections()) if len(quote(question["query"])) > 7000] == []
