# What every dashboard must have so that a newcomer finds his way: our own rules.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pages import FILES, load, panels

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BUILT_IN = {
    "__all",
    "__rate_interval",
    "__range",
    "__range_s",
    "__url_time_range",
    "__value.text",
    "__field.labels.instance",
}
UNIT_NAMES = re.compile(r"[A-Za-z0-9]+")
each_page = pytest.mark.parametrize("page", [load(path) for path in FILES], ids=[path.stem for path in FILES])


def test_all_pages_are_there() -> None:
    assert [path.stem for path in FILES] == [
        "capacity",
        "energy",
        "fabric",
        "fleet",
        "gpu_health",
        "gpu_node",
        "jobs",
        "kubernetes",
        "remediation",
        "runs",
        "storage",
    ]


def test_pages_have_a_name_of_their_own() -> None:
    pages = [load(path) for path in FILES]
    for key in ("uid", "title", "description"):
        assert len({page[key] for page in pages}) == len(pages), key


@each_page
def test_page_keeps_time_and_variables_on_the_way_to_the_others(page: dict[str, Any]) -> None:
    (link,) = page["links"]
    assert (link["type"], link["asDropdown"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True, True)
    assert link["tags"] == page["tags"] == ["aidc-ops"]


@each_page
def test_page_has_its_variables_and_marks_of_alerts(page: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in page["templating"]["list"]}
    assert list(variables)[:2] == ["datasource", "cluster"]
    assert variables["datasource"]["query"] == "prometheus"
    for name, variable in variables.items():
        assert variable["label"], name
        if name != "datasource":
            assert variable["datasource"] == SOURCE, name
            assert variable["description"], name
            # Without it, "all" leaves out every series that lacks the label.
            assert not variable["includeAll"] or variable["allValue"] == ".*", name
    (marks,) = page["annotations"]["list"]
    assert marks["datasource"] == SOURCE
    assert marks["expr"].startswith('ALERTS{alertstate="firing"')


@each_page
def test_panels_say_what_they_show(page: dict[str, Any]) -> None:
    problems = []
    for panel in panels(page):
        name = f"{panel['title']!r} ({panel['type']})"
        if not panel.get("title") or not panel.get("description", "").endswith("."):
            problems.append(f"{name}: needs a title, and a description that ends with a full stop")
        if not UNIT_NAMES.fullmatch(panel["fieldConfig"]["defaults"].get("unit", "")):
            problems.append(f"{name}: needs a unit")
        if panel["datasource"] != SOURCE or any(target["datasource"] != SOURCE for target in panel["targets"]):
            problems.append(f"{name}: does not ask the data source that was chosen")
        if not panel["targets"]:
            problems.append(f"{name}: asks for nothing")
        refs = [target["refId"] for target in panel["targets"]]
        if len(set(refs)) != len(refs):
            problems.append(f"{name}: two queries have the same letter")
        if not panel["fieldConfig"]["defaults"].get("noValue"):
            problems.append(f"{name}: does not say what it means that there is nothing")
    assert problems == []


@each_page
def test_ids_are_unique_and_panels_fill_the_grid_without_overlap(page: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in page["panels"]]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in page["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, f"{panel['title']} covers another panel"
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells |= own
    assert len(cells) == 24 * (max(y for _x, y in cells) + 1), "a hole in the page"


@each_page
def test_page_begins_with_figures_and_is_not_too_long(page: dict[str, Any]) -> None:
    kinds = [panel["type"] for panel in page["panels"]]
    assert len(set(kinds[:6])) == 1 and kinds[0] == "stat"
    assert len(list(panels(page))) <= 22


@each_page
def test_no_row_is_empty(page: dict[str, Any]) -> None:
    kinds = [panel["type"] for panel in page["panels"]]
    assert kinds[-1] != "row"
    assert ("row", "row") not in list(itertools.pairwise(kinds))


@each_page
def test_rates_fit_the_resolution(page: dict[str, Any]) -> None:
    for panel in panels(page):
        for target in panel["targets"]:
            assert re.search(r"\bi?rate\(", target["expr"]) is None or all(
                span == "$__rate_interval" for span in re.findall(r"\brate\([^\[]*\[([^\]]*)\]", target["expr"])
            ), f"{panel['title']}: {target['expr']}"
            assert "irate(" not in target["expr"]


@each_page
def test_variables_exist(page: dict[str, Any]) -> None:
    known = {variable["name"] for variable in page["templating"]["list"]} | BUILT_IN
    used = set()
    for part in (page["panels"], page["annotations"], page["templating"]):
        text = json.dumps(part)
        used |= set(re.findall(r"\$(\w+)", text))
        used |= {name.removesuffix(":queryparam") for name in re.findall(r"\$\{([^}]+)\}", text)}
    assert used - known == set()
    asked = json.dumps([panel["targets"] for panel in panels(page)]) + json.dumps(page["templating"])
    assert {name for name in known - BUILT_IN if f"${name}" not in asked and f"${{{name}" not in asked} == set()


@each_page
def test_tables_begin_with_the_worst(page: dict[str, Any]) -> None:
    for panel in panels(page):
        if panel["type"] == "table":
            (order,) = panel["options"]["sortBy"]
            names = {
                rename
                for step in panel["transformations"]
                for rename in step["options"].get("renameByName", {}).values()
            }
            assert order["displayName"] in names, panel["title"]
            # Every heading that an override names is there.
            for override in panel["fieldConfig"]["overrides"]:
                assert override["matcher"]["options"] in names, f"{panel['title']}: {override['matcher']}"


@each_page
def test_links_lead_to_pages_that_exist(page: dict[str, Any]) -> None:
    there = {load(path)["uid"] for path in FILES}
    linked = set(re.findall(r'"url": "/d/([\w-]+)', json.dumps(page)))
    assert linked - there == set()


def test_tables_of_nodes_lead_to_the_page_of_the_node() -> None:
    missing = []
    for path in FILES:
        for panel in panels(load(path)):
            headings = {}
            for step in panel.get("transformations", []):
                headings |= step["options"].get("renameByName", {})
            node = next(
                (text for label, text in headings.items() if label in ("instance", "node") and text == "Node"), None
            )
            links = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == node]
            if node and "/d/aidc-gpu-node" not in json.dumps(links):
                missing.append(f"{path.stem}: {panel['title']}")
    assert missing == []


def test_files_are_only_what_grafana_reads() -> None:
    folder = Path(FILES[0]).parent
    assert {path.suffix for path in folder.iterdir()} == {".json"}
