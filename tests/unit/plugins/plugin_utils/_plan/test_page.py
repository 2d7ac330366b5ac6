# Tests of the page of a plan: it stands alone, leaves out what is not given, and nothing in it from outside is markup.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils._plan.page import Material, page, write
from ansible_collections.aidc.ops.plugins.plugin_utils._plan.summary import summary
from ansible_collections.aidc.ops.tests.unit.plugins.plugin_utils._plan.cases import (
    MADE,
    forecast,
    limited,
    node,
    placed,
    plan,
    problem,
    work,
)
from ansible_collections.aidc.ops.tests.unit.roles.test_report_templates import HOSTILE, Page

CHANGE = {"kind": "node_power", "thing": "gpu-10", "before": {"state": "on"}, "after": ["off"], "why": None}
WINDOW = {"node": "gpu-1", "start": MADE, "end": MADE + 5400, "summary": "firmware", "demand": 3.25}
BOUGHT = {"nodes": {"large": 2}, "price": 200.0, "gap_percent": 0.0, "still_refused": []}


def full(**more: Any) -> Material:
    parts: dict[str, Any] = {
        "made": MADE,
        "purchase": BOUGHT,
        "forecast": forecast(),
        "capacity": {"vision": 5},
        "changes": [CHANGE],
        "windows": [WINDOW],
        "grams_per_kwh": 400.0,
    }
    return Material(plan(), problem(), **{**parts, **more})


def test_a_full_page_says_it_all() -> None:
    read = Page(write(full(title="Next quarter")))
    for text in (
        "Next quarter",
        "Made at 2026-09-01 00:00 UTC",
        "1 of 4 workloads does not fit; 1 copy is missing.",
        "No plan is more than 0.50 % better in any objective. Found in 2 s.",
        "Of the copies 3 stay, 1 move, 3 start.",
        "GPUs allocated4.55.5+1",
        "CO22.1 kg/h2.3 kg/h+200 g/h",
        "needs 8 GPUs on one node",
        "200.00 in all. At most 0.00 % above the cheapest.",
        "1.75 kW of 4 kW",
        "4 of 12 GPUs, quota 8 GPUs",
        "gpu-1 x2 (1 new there)",
        "it runs there now; other copies for other reasons",
        "Exceeds 5 from 2026-09-01 02:00 UTC in one of ten futures.",
        "Model mean, error 0.8 against 1 of what was a season before, 91 % came within the 90 % band",
        "node powergpu-10state=onoff\u2013",
        "gpu-12026-09-01 00:002026-09-01 01:30firmware3.25\u2013",
    ):
        assert text in read.text.replace("\n", ""), text
    ids = [attributes["id"] for _tag, attributes in read.elements if "id" in attributes]
    links = [str(attributes["href"])[1:] for tag, attributes in read.elements if tag == "a"]
    assert ids == links == ["summary", "refused", "buy", "fleet", "projects", "forecast", "changes", "windows"]
    assert sum("band" in str(attributes.get("class")) for _tag, attributes in read.elements) == 1


def test_what_is_not_given_is_left_out() -> None:
    nothing = problem(workloads=[work("train", "", 1)], feeds=[], projects=[], nodes=[node("n", "", idle_watts=0.0)])
    nothing["nodes"][0].update(gpu_watts=0.0, price_per_hour=0.0)
    text = write(Material(plan(placements=[placed("train", "n", 0)], refused=[], stages=[], gap_percent=None), nothing))
    read = Page(text)
    links = [str(attributes["href"])[1:] for tag, attributes in read.elements if tag == "a"]
    assert links == ["summary", "fleet", "projects"]
    said = read.text.partition("The workload fits.")[2].partition("A plan is data")[0]
    for absent in ("Power", "Price", "CO2", "as it is now", "change", "None", "quota"):
        assert said and absent not in said.replace("Copies refused0", ""), absent
    assert "Made at" not in read.text
    assert "gives no bound" in read.text and "(no project)" in read.text and "All nodes" in read.text
    assert "The fleet as it is now" not in read.text


def test_hostile_text_is_inert_wherever_it_comes_from() -> None:
    rows = json.loads(json.dumps(problem()).replace("gpu-", f"gpu{'@'}"))
    made = json.loads(json.dumps(plan()).replace("gpu-", f"gpu{'@'}"))
    for row in (*rows["nodes"], *rows["workloads"], *made["placements"], *made["refused"], *rows["offers"]):
        for name in ("name", "node", "workload", "project", "rack", "gpu_model", "reason"):
            if isinstance(row.get(name), str) and row[name]:
                row[name] += HOSTILE
        if "running_on" in row:
            row["running_on"] = [one + HOSTILE for one in row["running_on"]]
    for node_row in rows["nodes"]:
        node_row["feed"] = HOSTILE
    rows["feeds"][0]["name"] = HOSTILE
    rows["projects"] = []
    made["power_limits"] = [{"node": rows["nodes"][0]["name"], "limit_watts": 5, "performance": 1, "reason": HOSTILE}]
    choice = dict.fromkeys(("gpu_model", "workload_class", "reason", "origin"), HOSTILE)
    made["power_choices"] = [{**choice, "limit_watts": 5, "performance": 1, "energy": 1}]
    made["note"] = made["strategy"] = made["stages"][0]["objective"] = HOSTILE
    hostile = Material(
        made,
        rows,
        title=HOSTILE,
        fail_nodes=[rows["nodes"][1]["name"]],
        scale_projects={rows["workloads"][1]["project"]: 1},
        purchase={"nodes": {rows["offers"][0]["name"]: 1}, "price": 1, "gap_percent": None, "still_refused": [HOSTILE]},
        forecast=forecast(HOSTILE),
        changes=[dict.fromkeys(CHANGE, HOSTILE)],
        windows=[{**WINDOW, "node": HOSTILE, "summary": HOSTILE}],
    )
    text = write(hostile)
    read = Page(text)
    assert {tag for tag, _attributes in read.elements} & {"script", "img", "iframe", "link", "object"} == set()
    assert not [name for _tag, attributes in read.elements for name in attributes if name.startswith("on")]
    assert {str(attributes["href"])[0] for tag, attributes in read.elements if tag == "a"} == {"#"}
    assert read.text.count(HOSTILE) > 40 and "49" not in read.text.replace("49 %", "")
    assert all(line.isprintable() for line in summary(hostile))


def test_the_page_loads_nothing_and_is_the_same_each_time() -> None:
    text = write(full())
    assert (
        "default-src 'none'" in text
        and "<script" not in text
        and "url(" not in text
        and "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    )
    assert write(full()) == text


def test_power_limits_with_what_they_come_from() -> None:
    asked, made = limited()
    read = Page(write(Material(made, asked)))
    for text in (
        "1 node at 400 W (96 % of full speed, 69 % of the energy), 1 node at its own",
        "H100language_training400 W96 %69 %of those that are slower it takes the least energy",
        "the least energyexample.org/\u2026/runs.csv: 500 steps",
        "H100chat\u2013\u2013\u2013nobody measured 'H100' under 'chat'\u2013",
        "Power5.25 kW4.95 kW\u2212300 W",
    ):
        assert text in read.text.replace("\n", ""), text
    assert "#limits" in [attributes["href"] for tag, attributes in read.elements if tag == "a"]
    line = "Power limits: 1 node at 400 W (96 % of full speed, 69 % of the energy), 1 node at its own."
    assert line in summary(Material(made, asked))
    older = {key: value for key, value in made.items() if not key.startswith("power_")}
    for unasked in (older, {**older, "power_limits": [], "power_choices": []}):
        assert 'id="limits"' not in write(Material(unasked, problem()))
        assert not any(one.startswith("Power limits") for one in summary(Material(unasked, problem())))


def test_nodes_of_one_limit_are_told_together() -> None:
    asked, made = limited()
    first, second = made["power_limits"]
    made["power_limits"] = [
        {**first, "node": "gpu-10", "performance": 0.912, "limit_watts": 312.5},
        *({**second, "node": name} for name in ("gpu-2", "cpu-1")),
        *({**first, "node": name, "performance": speed} for name, speed in (("gpu-1", 0.9615), ("gpu-3", 0.93))),
    ]
    told = "2 nodes at 400 W (93 to 96 % of full speed, 69 % of the energy), "
    told += "1 node at 312.5 W (91 % of full speed), 2 nodes at their own"
    assert page(Material(made, asked))["limits"] == told


@pytest.mark.slow
def test_a_thousand_nodes_of_eight_gpus_are_a_page_below_three_megabytes() -> None:
    nodes = [node(f"gpu-{number:04}", f"r{number // 16:02}", 8) for number in range(1000)]
    works = [
        work(f"job/{number}", f"p{number % 9}", 1, 4, running_on=[f"gpu-{number // 2:04}"], cpu_milli=100)
        for number in range(2000)
    ]
    made = plan(
        placements=[placed(f"job/{number}", f"gpu-{number % 1000:04}", *range(4)) for number in range(2000)], refused=[]
    )
    for place, one in enumerate(made["placements"]):
        one["gpus"] = [at + 4 * (place // 1000) for at in range(4)]
    text = write(Material(made, problem(nodes=nodes, workloads=works, projects=[])))
    assert text.count('role="img"') >= 2000 and len(text.encode()) < 3_000_000
    assert "22 more are not shown." in text, "222 workloads of a project, of which 200 are listed"


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_how_good_a_plan_is(shift: float) -> None:
    first = {"objective": "allocation", "value": 1.0, "bound": 1.0, "gap_percent": shift, "in_time": True}
    second = {**first, "objective": "energy", "gap_percent": 2.0, "in_time": False}
    text = page(Material(plan(stages=[first, second]), problem()))["proof"]
    assert text.endswith("in the others none by more than 2.00 %. Found in 2 s.")
    assert ("none is better" in text) == (shift == 0.0) and ("0.10 % better" in text) == (shift == 0.1)
    assert page(Material(plan(stages=[{**first, "gap_percent": 0.0}]), problem()))["proof"].startswith(
        "No plan is better"
    )


def test_the_summary_for_a_terminal() -> None:
    lines = summary(full(fail_nodes=["gpu-10"], scale_projects={"vision": 1.5}))
    assert lines[0] == "1 of 5 workloads does not fit; 1 copy is missing." or lines[0].startswith("1 of 4")
    assert "If gpu-10 failed and project vision asks for 1.5 times as much:" in lines
    assert [line.split() for line in lines if line.startswith("GPUs allocated")] == [
        ["GPUs", "allocated", "4.5", "5.5", "+1"]
    ]
    assert "  big (vision), 1 of 2 copies: needs 8 GPUs on one node" in lines
    assert "  2 x large for 200.00" in lines


def test_a_summary_tells_ten_refusals_and_how_many_more() -> None:
    works = [work(f"w{number}", "p") for number in range(13)]
    refused = [{"workload": f"w{number}", "missing": 1, "reason": "no room"} for number in range(13)]
    lines = summary(Material(plan(placements=[], refused=refused), problem(workloads=works, projects=[])))
    assert sum(line.endswith("no room") for line in lines) == 10 and "  and 3 more, which are on the page" in lines
