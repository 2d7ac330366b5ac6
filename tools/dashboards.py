#!/usr/bin/env python
# Writes the Grafana dashboards of the role grafana.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/dashboards.py [--check]

Makes each page of tools/dashboard_sources and writes it to roles/grafana/files/dashboards as JSON. With --check nothing
is written, and the exit status says whether the files are what their sources give (0) or not (1).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dashboard_sources import PAGES
from grafana_foundation_sdk.cog.encoder import JSONEncoder

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "roles" / "grafana" / "files" / "dashboards"


def pages() -> dict[str, str]:
    """The text of each file, by its name."""
    return {f"{name}.json": text(make()) for name, make in PAGES.items()}


def text(page: Any) -> str:
    """A dashboard as JSON: what is unset is left out, and the keys have one order."""
    plain = _set_only(json.loads(json.dumps(page, cls=JSONEncoder)))
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _set_only(value: Any, name: str = "") -> Any:
    """Without empty fields; only the lowest threshold has an empty value that means something."""
    if isinstance(value, list):
        return [_set_only(item, name) for item in value]
    if isinstance(value, dict):
        return {key: _set_only(item, key) for key, item in value.items() if item is not None or name == "steps"}
    return value


def stale(made: dict[str, str]) -> list[str]:
    """The names of the files that are missing, differ, or belong to no page."""
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    return sorted(name for name in {*made, *found} if made.get(name) != found.get(name))


def main(arguments: list[str]) -> int:
    """Entry point; see the text at the top."""
    parser = argparse.ArgumentParser(description="Write the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    options = parser.parse_args(arguments)
    made = pages()
    wrong = stale(made)
    if options.check:
        if wrong:
            print(f"{', '.join(wrong)}: not what the sources give; run tools/dashboards.py", file=sys.stderr)
        return 1 if wrong else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in wrong:
        if name in made:
            (FOLDER / name).write_text(made[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
