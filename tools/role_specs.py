#!/usr/bin/env python3
# Keeps role defaults and role README tables equal to what meta/argument_specs.yml gives.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/role_specs.py --check | --write [ROLE ...]

The argument specification is the one source of a role's options. --write generates defaults/main.yml and the part of
README.md between the markers; --check generates both in a temporary directory and shows every difference.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ("defaults/main.yml", "README.md")
BEGIN, END = "<!-- BEGIN_ANSIBLE_DOCS -->", "<!-- END_ANSIBLE_DOCS -->"


class RoleError(Exception):
    """A role cannot be documented; the message names the role and what is missing."""


def role_names(root: Path) -> list[str]:
    """Every role of the collection, by name."""
    return sorted(path.name for path in (root / "roles").iterdir() if path.is_dir())


def generate(role: Path) -> None:
    """Write defaults/main.yml and the README table of one role in place."""
    if not (role / "meta" / "argument_specs.yml").is_file():
        raise RoleError(f"{role.name}: meta/argument_specs.yml is missing")
    readme = role / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    if BEGIN not in lines or END not in lines:
        raise RoleError(f"{role.name}: README.md needs the lines {BEGIN} and {END}")
    program = str(Path(sys.executable).with_name("aar-doc"))
    # With its default file name the tool writes README.md and defaults/main.yml of the role.
    for arguments in (
        ["--output-mode", "replace", str(role), "defaults"],
        ["--output-mode", "inject", str(role), "markdown"],
    ):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RoleError(f"{role.name}: aar-doc failed: {(done.stdout + done.stderr).strip()[-500:]}")


def stale(role: Path, galaxy: Path) -> Iterator[str]:
    """Differences between the generated files of a role and fresh ones, as lines of a unified diff."""
    with tempfile.TemporaryDirectory(prefix="aidc-role-") as scratch:
        # The tool reads galaxy.yml two directories above the role.
        copy = Path(scratch, "roles", role.name)
        shutil.copytree(role / "meta", copy / "meta")
        shutil.copy(galaxy, Path(scratch, "galaxy.yml"))
        if (role / "README.md").is_file():
            shutil.copy(role / "README.md", copy / "README.md")
        generate(copy)
        for name in GENERATED:
            old, new = _lines(role / name), _lines(copy / name)
            if old != new:
                yield from difflib.unified_diff(
                    old, new, f"roles/{role.name}/{name}", "from the specification", lineterm=""
                )


def _lines(path: Path) -> list[str]:
    # A role without options has no defaults file; an empty one says the same.
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Generate or check role defaults and README tables.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    action.add_argument("--write", action="store_true", help="generate the files in place")
    parser.add_argument("roles", nargs="*", metavar="ROLE", help="roles (default: all)")
    options = parser.parse_args(argv)

    failed = 0
    for name in options.roles or role_names(ROOT):
        role = ROOT / "roles" / name
        try:
            if options.write:
                generate(role)
                continue
            difference = list(stale(role, ROOT / "galaxy.yml"))
        except RoleError as exc:
            print(f"role_specs: {exc}", file=sys.stderr)
            failed += 1
            continue
        if difference:
            failed += 1
            print("\n".join(difference))
            print(
                f"role_specs: {name} is not what its specification gives (tools/role_specs.py --write {name})",
                file=sys.stderr,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
