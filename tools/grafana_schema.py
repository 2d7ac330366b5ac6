#!/usr/bin/env python
# Checks dashboards against Grafana's own types, strictly.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/grafana_schema.py [FILE ...]

Compares dashboards (by default those of the role grafana) with the types of the npm package @grafana/schema: a field
that Grafana does not know, or of the wrong type, is an error. Beside the dashboard itself the options and the field
settings of each panel are compared with the types of its kind. The packages are fetched once, into .cache.

Exit status: 0 if all is well, 1 if a dashboard is not, 2 if the check cannot run.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "grafana_schema"
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
DASHBOARDS = ROOT / "roles" / "grafana" / "files" / "dashboards"
TYPES = "@grafana/schema/dist/types/raw"
# Kinds of panels, and whether their fields have settings of their own.
KINDS = {"bargauge": False, "heatmap": True, "stat": False, "state-timeline": True, "table": True, "timeseries": True}
# What the Prometheus data source reads from marks, and the schema of a dashboard leaves to it.
OF_THE_DATA_SOURCE = ("expr", "step", "tagKeys", "textFormat", "titleFormat")
# In a file an enumeration is its value; and what is left out of the options of a panel has the default.
HEAD = """\
import type {{ Dashboard }} from '{types}/dashboard/x/types.gen';
{imports}
type Plain<T> = T extends string ? `${{T}}` : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
type Part<T> = T extends (infer U)[] ? Part<U>[] : T extends object ? {{ [K in keyof T]?: Part<T[K]> }} : T;

"""


class SchemaError(Exception):
    """The check cannot run; the message says what it lacks."""


def packages() -> Path:
    """The folder with the packages; they are fetched when they are not there yet."""
    for program in ("npm", "node"):
        if shutil.which(program) is None:
            raise SchemaError(
                f"there is no program called {program}: the types of Grafana are a package of npm, and TypeScript runs"
                " on node (Debian: apt-get install npm)"
            )
    folder = CACHE / "_".join(name.strip("@").replace("/", "-") for name in PACKAGES)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            # Nothing that a package brings may run here.
            line = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SchemaError(f"npm cannot fetch {' and '.join(PACKAGES)}: {done.stderr.strip()[-800:]}")
            (folder / "complete").touch()
    return folder


def program(pages: dict[str, Any]) -> str:
    """The pages as a program that only compiles if they are what the types allow."""
    imports = [
        f"import type * as {module(kind)} from '{TYPES}/composable/{module(kind)}/panelcfg/x/types.gen';"
        for kind in KINDS
    ]
    values: list[tuple[str, str, Any]] = []
    for name, page in pages.items():
        for mark in page.get("annotations", {}).get("list", []):
            for field in OF_THE_DATA_SOURCE:
                mark.pop(field, None)
        values.append((name, "Plain<Dashboard>", page))
        for panel in page.get("panels", []):
            kind = panel["type"]
            if kind in KINDS:
                where = f"{name}, panel {panel['title']!r}"
                values.append((f"{where}, options", f"Plain<Part<{module(kind)}.Options>>", panel["options"]))
                own = panel["fieldConfig"]["defaults"].get("custom")
                if KINDS[kind] and own:
                    values.append((f"{where}, fields", f"Plain<Part<{module(kind)}.FieldConfig>>", own))
            elif kind != "row":
                raise SchemaError(
                    f"{name}: the panel {panel['title']!r} is of the kind {kind}, which KINDS does not list"
                )
    # The comment before each value is for the message.
    parts = [
        f"// {where}\nexport const value{number}: {kind} = {json.dumps(value, indent=1)};\n"
        for number, (where, kind, value) in enumerate(values)
    ]
    return "".join([HEAD.format(types=TYPES, imports="\n".join(imports)), *parts])


def module(kind: str) -> str:
    """The name of the types of a kind of panel."""
    return kind.replace("-", "")


def problems(pages: dict[str, Any]) -> list[str]:
    """What is wrong with pages (by name), one line each. Raises SchemaError if that cannot be found out."""
    folder = packages()
    text = program(pages)
    with tempfile.TemporaryDirectory(prefix="check-", dir=folder) as scratch:
        source = Path(scratch, "check.ts")
        source.write_text(text, encoding="utf-8")
        compiler = folder / "node_modules" / "typescript" / "bin" / "tsc"
        options = ["--noEmit", "--strict", "--skipLibCheck", "--pretty", "false"]
        line = ["node", str(compiler), *options, "--module", "commonjs", "--moduleResolution", "node10", str(source)]
        done = subprocess.run(line, cwd=scratch, capture_output=True, text=True, check=False)
    found = []
    lines = text.split("\n")
    for match in re.finditer(r"check\.ts\((\d+),\d+\): error (TS\d+): (.*)", done.stdout):
        at = int(match[1]) - 1
        where = next((lines[row][3:] for row in range(at, -1, -1) if lines[row].startswith("// ")), None)
        if where is None:
            raise SchemaError(f"{' and '.join(PACKAGES)} are not what this tool expects: {match[3]}")
        found.append(f"{where}: {lines[at].strip()}: {match[3]} ({match[2]})")
    if done.returncode and not found:
        raise SchemaError(f"the compiler failed: {(done.stdout + done.stderr).strip()[-800:]}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Entry point; see the text at the top."""
    files = [Path(name) for name in arguments] or sorted(DASHBOARDS.glob("*.json"))
    try:
        found = problems({path.name: json.loads(path.read_text(encoding="utf-8")) for path in files})
    except (SchemaError, OSError, ValueError) as exc:
        print(f"grafana_schema: {exc}", file=sys.stderr)
        return 2
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
