# Reads the committed dashboards: panels, queries, names of metrics.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "roles" / "grafana" / "files" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))

_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
_LISTS = re.compile(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)")


def load(path: Path) -> dict[str, Any]:
    """A dashboard."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def panels(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels that show something."""
    return (panel for panel in page["panels"] if panel["type"] != "row")


def expressions() -> list[tuple[str, str, str, str]]:
    """File, title of the panel, kind of the panel and expression of every query of every page."""
    return [
        (path.stem, panel["title"], panel["type"], target["expr"])
        for path in FILES
        for panel in panels(load(path))
        for target in panel["targets"]
    ]


def label_values(page: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, expression and label of each variable that takes its values from a label."""
    for variable in page["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found, f"{variable['name']}: {variable['query']}"
            yield variable["name"], found.group(1), found.group(2)


def metrics(expr: str) -> set[str]:
    """The names of the metrics in an expression, those in a pattern for names too."""
    found = set()
    for pattern in re.findall(r'__name__=~"([^"]*)"', expr):
        found |= set(pattern.split("|"))
    plain = re.sub(r'"[^"]*"', "", expr)
    plain = re.sub(r"\{[^}]*\}", " ", plain)
    plain = re.sub(r"\[[^\]]*\]", " ", plain)
    plain = _LISTS.sub(" ", plain)
    for match in re.finditer(r"(?<![\w.:$])[a-zA-Z_:][\w:]*", plain):
        if match.group() not in _WORDS and not plain[match.end() :].lstrip().startswith("("):
            found.add(match.group())
    return found
