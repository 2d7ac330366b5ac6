# Runs the playbook report against a real Prometheus with a day of made data, an empty one, and none.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

from prometheus_server import PrometheusServer

from ansible_collections.aidc.ops.tests.playbooks.console import Console
from ansible_collections.aidc.ops.tests.playbooks.report_lab import HOSTILE, Site
from ansible_collections.aidc.ops.tests.unit.roles.test_report_templates import Page, sections

# What a laboratory without a switch and with its own rules for power does not have.
NOT_IN_THE_LAB = {"Switch interfaces up"}


def told(output: str, task: str = "Write the page") -> str:
    """What Ansible says about a task."""
    return output.partition(f": {task}]")[2].strip(" *\n").partition(":")[0]


def test_a_page_from_real_answers(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", hours=8)
    site.remediate()
    with site.server.start():
        site.wait_for_alerts()
        status, output = site.report("--check")
        assert status == 0 and told(output) == "changed", output
        assert not site.page.exists(), "check mode writes nothing"

        status, output = site.report()
        assert status == 0 and told(output) == "changed", output
        text = site.page.read_text(encoding="utf-8")
        assert site.page.stat().st_mode & 0o777 == 0o640

        status, output = site.report()
        assert status == 0 and told(output) == "ok", output
        assert site.page.read_text(encoding="utf-8") == text, "the same data at the same time are the same page"

    read = Page(text)
    assert 'class="failure"' not in text, re.findall(r'class="failure">(.*?)</p>', text)
    missing = set(re.findall(r"<li>([^<]*): no data, needs", text))
    assert missing == NOT_IN_THE_LAB
    for section in sections():
        assert f'<section id="{section["id"]}">' in text
        for panel in section["panels"]:
            assert f"<h3>{panel['title']}" in text or panel["title"] in missing, panel["title"]

    # From every lane: an account of Slurm, a user, a summary with a label in it, a text of the ledger.
    assert read.text.count(HOSTILE) >= 4 and "<img src=x onerror=alert(1)>" in read.text
    assert {"script", "img"} & {tag for tag, _attributes in read.elements} == set()
    links = {str(attributes["href"]) for tag, attributes in read.elements if tag == "a"}
    assert "https://ops.example.com/runbooks/gpu_fell_off_bus.md" in links
    assert not [link for link in links if not link.startswith(("#", "https://ops.example.com/"))]

    # The story of the lab, in numbers.
    for sentence in (
        "GPUs that answer: 31 of 32 GPUs",
        "Nodes in service: 3 of 4 nodes",
        "Critical alerts: 2 alerts",
        "gpu3: GPU 5 00000000:15:00.0 has fallen off the bus",
        "case 3: gpu_fell_off_bus, waits for a person's approval",
    ):
        assert sentence in read.text, sentence
    assert len(text) < 1_000_000
    # gpu4 was silent for a while: the curve of what is summed over its GPUs goes on, one of its own would not.
    assert text.count("<path") > 20 and not re.search(r"\bnan\b|\binf\b|None|undefined", text)


def test_a_server_without_data_gives_a_page_that_says_what_is_needed(tmp_path: Path) -> None:
    console = Console(tmp_path)
    (tmp_path / "controller.json").unlink()
    page = tmp_path / "report.html"
    with PrometheusServer(tmp_path / "prometheus").start() as server:
        status, output = console.run("report", report_prometheus_url=server.url, report_path=str(page))
    assert status == 0, output
    text = Page(page.read_text(encoding="utf-8")).text
    for section in sections():
        for panel in section["panels"]:
            assert f"{panel['title']}: no data, needs {panel['needs']}" in text
    assert "controller.json" in text, "why there is no ledger"
    assert 'class="stat' not in page.read_text(encoding="utf-8"), "absent is not zero"


def test_without_a_server_or_a_directory_the_old_page_stays(tmp_path: Path) -> None:
    console = Console(tmp_path)
    page = tmp_path / "report.html"
    page.write_text("old")
    url = "http://127.0.0.1:1"
    status, output = console.run("report", report_prometheus_url=url, report_path=str(page))
    assert status != 0 and f"{url}/api/v1/query: no connection" in output, output
    status, output = console.run("report", report_prometheus_url=url, report_path=str(tmp_path / "none" / "x.html"))
    assert status != 0 and "none is no directory here; create it, or write elsewhere" in output, output
    status, output = console.run("report", report_prometheus_url=url, report_path=str(page), report_hours=0)
    assert status != 0 and "report_hours is how many hours back the report goes" in output, output
    status, output = console.run("report", report_path=str(page))
    assert status != 0 and "report_prometheus_url" in output, output
    assert page.read_text() == "old"
