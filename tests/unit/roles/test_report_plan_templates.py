# Tests of the templates of the page of a plan, which lie beside the style that it shares with the report.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

from render import ROOT, render

from ansible_collections.aidc.ops.plugins.plugin_utils._plan.page import Material, page, write
from ansible_collections.aidc.ops.tests.unit.plugins.plugin_utils._plan.cases import plan, problem


def test_everything_is_escaped_but_what_was_drawn() -> None:
    source = (ROOT / "roles" / "report" / "templates" / "plan.html.j2").read_text(encoding="utf-8")
    printed = re.findall(r"\{\{(.*?)\}\}", source)
    assert len(printed) > 40
    # The two macros are in the same file, and so are their texts.
    shown = [text for text in printed if not re.match(r" (rows|fleet)\(", text)]
    assert [text for text in shown if not re.search(r"(\| e|^ [\w.]*svg) $", text)] == []
    assert not re.search(r"\|\s*safe|autoescape", source)


def test_a_template_task_would_write_the_same_as_the_filter() -> None:
    material = Material(plan(), problem())
    by_ansible = render("report", "plan.html.j2", page=page(material))
    assert "".join(by_ansible.split()) == "".join(write(material).split())


def test_the_style_needs_nothing_from_elsewhere_and_has_every_colour() -> None:
    css = render("report", "plan.css.j2")
    assert not re.search(r"@import|@font-face|url\(", css)
    for number in range(8):
        assert f".p{number} {{ fill: var(--s{number})" in css and f".k{number} {{ background: var(--s{number})" in css
