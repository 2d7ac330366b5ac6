#!/usr/bin/env python
# Compiles the JSON Schema of a capacity problem into the Python table that travels with a module.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/compile_capacity.py [--check]

Reads docs/schemas/capacity_problem.schema.json and writes _problem_table.py into plugins/module_utils/_capacity. With
--check nothing is written and the exit status says whether it is what the schema gives (0) or not (1).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap

from compile_record import HEADER, ROOT, SchemaError, literal, rule, same

SCHEMA = ROOT / "docs" / "schemas" / "capacity_problem.schema.json"
TABLE = ROOT / "plugins" / "module_utils" / "_capacity" / "_problem_table.py"


def folded(line: str) -> str:
    """The line; if it is too long, the items of its list on lines of their own. No text in the schema has a blank."""
    if len(line) <= 120:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    before, items, after = re.fullmatch(r"(.*\[)([^][]*)(\].*)", line).groups()  # type: ignore[union-attr]
    inner = textwrap.fill(items, 120, initial_indent=indent + "    ", subsequent_indent=indent + "    ")
    return f"{before}\n{inner}\n{indent}{after}"


def main(arguments: list[str]) -> int:
    """Entry point; see the text at the top."""
    parser = argparse.ArgumentParser(description="Compile the schema of a capacity problem into Python.")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    options = parser.parse_args(arguments)
    try:
        table = literal(rule(json.loads(SCHEMA.read_text(encoding="utf-8"))))
    except (SchemaError, ValueError) as error:
        print(f"The schema of a capacity problem is wrong: {error}", file=sys.stderr)
        return 2
    header = HEADER.format(what="rules of a capacity problem").replace("compile_record", "compile_capacity")
    text = header + f"PROBLEM: dict[str, t.Any] = {table}\n"
    text = "".join(f"{folded(line)}\n" for line in text.splitlines())
    if same(TABLE, text):
        return 0
    if options.check:
        print(f"{TABLE.name} is not what the schema gives; run tools/compile_capacity.py", file=sys.stderr)
        return 1
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
