# The dashboards on a real Grafana, where somebody has one; see README.md.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MISSING = [name for name in ("GRAFANA_URL", "GRAFANA_TOKEN") if not os.environ.get(name)]
if MISSING:
    pytest.skip(
        f"{' and '.join(MISSING)} not set: there is no Grafana to try the dashboards on", allow_module_level=True
    )

FILES = sorted((Path(__file__).resolve().parents[3] / "roles/grafana/files/dashboards").glob("*.json"))
FOLDER = "aidc-ops-live-test"
# Chosen so that any site has an answer.
TIMES = {"__rate_interval": "5m", "__range_s": "3600", "__range": "1h"}
each_page = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def call(method: str, path: str, body: Any = None) -> Any:
    """The answer of Grafana; AssertionError with what it says if it refuses."""
    request = urllib.request.Request(
        f"{os.environ['GRAFANA_URL'].rstrip('/')}/api/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {os.environ['GRAFANA_TOKEN']}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as exc:
        raise AssertionError(f"{method} {path}: {exc.code} {exc.read().decode(errors='replace')[:500]}") from None


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    """A folder that goes again with all that is in it."""
    call("POST", "folders", {"uid": FOLDER, "title": FOLDER})
    try:
        yield FOLDER
    finally:
        call("DELETE", f"folders/{FOLDER}")


@pytest.fixture(scope="module")
def source() -> dict[str, Any]:
    """The data source that the dashboards would take."""
    found = [one for one in call("GET", "datasources") if one["type"] == "prometheus"]
    assert found, "this Grafana has no data source of type prometheus"
    return next((one for one in found if one["isDefault"]), found[0])


def load(path: Path) -> dict[str, Any]:
    """A dashboard with an id that no other has."""
    page: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**page, "uid": f"live-{page['uid']}"}


def test_grafana_is_well() -> None:
    assert call("GET", "health")["database"] == "ok"


@each_page
def test_grafana_takes_the_page_and_gives_it_back(folder: str, path: Path) -> None:
    page = load(path)
    call("POST", "dashboards/db", {"dashboard": page, "folderUid": folder, "overwrite": True})
    read = call("GET", f"dashboards/uid/{page['uid']}")["dashboard"]
    assert [panel["title"] for panel in read["panels"]] == [panel["title"] for panel in page["panels"]]
    assert [one["name"] for one in read["templating"]["list"]] == [one["name"] for one in page["templating"]["list"]]


@each_page
def test_grafana_runs_every_query(source: dict[str, Any], path: Path) -> None:
    now = int(time.time() * 1000)
    problems = []
    for panel in load(path)["panels"]:
        queries = [
            {
                **target,
                "expr": re.sub(r"\$(\w+)", lambda found: TIMES.get(found.group(1), ".*"), target["expr"]),
                "datasource": {"type": "prometheus", "uid": source["uid"]},
                "intervalMs": 60_000,
                "maxDataPoints": 100,
            }
            for target in panel.get("targets", [])
        ]
        if queries:
            answer = call("POST", "ds/query", {"queries": queries, "from": str(now - 3_600_000), "to": str(now)})
            problems += [f"{panel['title']}: {one['error']}" for one in answer["results"].values() if one.get("error")]
    assert problems == []
