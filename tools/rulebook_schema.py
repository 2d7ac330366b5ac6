#!/usr/bin/env python3
# Checks every rulebook against the schema that ansible-rulebook itself uses, and its sources against ours.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/rulebook_schema.py

Reads extensions/eda/rulebooks/*.yml. A source of this collection must also exist as a plugin with a schema, and be
given only arguments that the schema knows. Prints every problem with its file; exit status 1 if there is one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parent.parent
EDA = Path("extensions/eda")
PREFIX = "aidc.ops."


def rulebook_problems(rulebook: Path, schema: Mapping[str, Any], plugins: Path) -> Iterator[str]:
    """What is wrong with one rulebook; plugins is the directory with event_source/ and event_filter/."""
    try:
        content = yaml.safe_load(rulebook.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        yield f"not YAML: {exc}"
        return
    errors = list(jsonschema.validators.validator_for(schema)(schema).iter_errors(content))
    for error in errors:
        yield f"{error.json_path}: {error.message}"
    if errors:
        return
    for ruleset in content:
        for source in ruleset["sources"]:
            yield from _source_problems(source, plugins)


def _source_problems(source: Mapping[str, Any], plugins: Path) -> Iterator[str]:
    for key, arguments in source.items():
        if key == "filters":
            for item in arguments:
                for name in item:
                    if (
                        name.startswith(PREFIX)
                        and not (plugins / "event_filter" / f"{name[len(PREFIX) :]}.py").is_file()
                    ):
                        yield f"filter {name} is not in event_filter/"
        elif key.startswith(PREFIX):
            yield from _argument_problems(key[len(PREFIX) :], arguments or {}, plugins / "event_source")


def _argument_problems(name: str, arguments: Mapping[str, Any], sources: Path) -> Iterator[str]:
    schema = sources / "schemas" / f"{name}.json"
    if not (sources / f"{name}.py").is_file() or not schema.is_file():
        yield f"source {PREFIX}{name} needs event_source/{name}.py and event_source/schemas/{name}.json"
        return
    # Values may be templates that are filled in at the start, so only the names can be compared here.
    content = json.loads(schema.read_text(encoding="utf-8"))
    for argument in sorted(set(arguments) - set(content.get("properties", {}))):
        yield f"source {PREFIX}{name} has no argument {argument}"
    for argument in sorted(set(content.get("required", ())) - set(arguments)):
        yield f"source {PREFIX}{name} needs the argument {argument}"


def main() -> int:
    schema = json.loads(files("ansible_rulebook").joinpath("schema/ruleset_schema.json").read_text(encoding="utf-8"))
    rulebooks = sorted((ROOT / EDA / "rulebooks").glob("*.y*ml"))
    if not rulebooks:
        print(f"rulebook_schema: there is no rulebook in {EDA}/rulebooks", file=sys.stderr)
        return 1
    failed = False
    for rulebook in rulebooks:
        for problem in rulebook_problems(rulebook, schema, ROOT / EDA / "plugins"):
            failed = True
            print(f"{rulebook.relative_to(ROOT)}: {problem}", file=sys.stderr)
    if not failed:
        print(f"{len(rulebooks)} rulebook(s) follow their schema")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
