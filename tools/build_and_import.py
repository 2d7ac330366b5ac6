#!/usr/bin/env python3
# Builds the artifact of the collection, looks at what is in it, and imports it the way Galaxy does.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/build_and_import.py

The artifact is left in .cache/build/. galaxy-importer runs in a virtual environment of its own, made from
requirements-importer.txt, since it pins libraries that the other tools have newer versions of.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".cache" / "build"
IMPORTER = ROOT / ".venv-importer"
REQUIREMENTS = ROOT / "requirements-importer.txt"

# What a collection consists of. Anything else in the artifact is a line that build_ignore in galaxy.yml lacks.
ALLOWED = {
    "CHANGELOG.md",
    "CHANGELOG.rst",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
    "tests",
}
NEVER = ("__pycache__", ".pyc", ".tar.gz", ".o", ".so")


class BuildError(Exception):
    """The artifact is not what it should be; the message says how."""


def stray_members(names: Iterable[str]) -> list[str]:
    """Members of the artifact that do not belong into it."""
    return sorted(
        name
        for name in names
        if Path(name).parts and (Path(name).parts[0] not in ALLOWED or "__pycache__" in name or name.endswith(NEVER))
    )


def build() -> Path:
    """Build the artifact and return its path."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    command = [
        str(Path(sys.executable).with_name("ansible-galaxy")),
        "collection",
        "build",
        "--output-path",
        str(BUILD),
    ]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    artifacts = list(BUILD.glob("*.tar.gz"))
    if done.returncode != 0 or len(artifacts) != 1:
        raise BuildError("ansible-galaxy collection build failed")
    with tarfile.open(artifacts[0]) as archive:
        stray = stray_members(archive.getnames())
    if stray:
        raise BuildError("not for the artifact, add to build_ignore in galaxy.yml: " + ", ".join(stray[:20]))
    return artifacts[0]


def importer_python() -> Path:
    """The Python of the importer's virtual environment; made anew when the requirement changed."""
    python, stamp = IMPORTER / "bin" / "python", IMPORTER / "requirements.sha256"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return python
    print("making the virtual environment of galaxy-importer", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(IMPORTER)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
    stamp.write_text(digest, encoding="utf-8")
    return python


def import_artifact(artifact: Path, python: Path) -> None:
    """Let galaxy-importer judge the artifact; BuildError if it refuses."""
    settings = BUILD / "galaxy-importer.cfg"
    # The other checks run ansible-test and ansible-lint with our settings; here the import itself counts.
    settings.write_text(
        "[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nRUN_ANSIBLE_LINT = False\n"
        "CHECK_REQUIRED_TAGS = True\nCHECK_CHANGELOG = True\n",
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment["GALAXY_IMPORTER_CONFIG"] = str(settings)
    environment["PATH"] = os.pathsep.join([str(python.parent), environment.get("PATH", os.defpath)])
    # It writes importer_result.json into the current directory.
    done = subprocess.run(
        [str(python), "-m", "galaxy_importer.main", str(artifact)],
        cwd=BUILD,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, flush=True)
    if done.returncode != 0:
        raise BuildError("galaxy-importer refuses the artifact")
    # It reports what it could not read as an error line, and ends well.
    errors = [line for line in done.stdout.splitlines() if line.startswith(("ERROR", "CRITICAL"))]
    if errors:
        raise BuildError(f"galaxy-importer complains: {errors[0]}")


def main() -> int:
    try:
        artifact = build()
        import_artifact(artifact, importer_python())
    except (BuildError, subprocess.CalledProcessError) as exc:
        print(f"build_and_import: {exc}", file=sys.stderr)
        return 1
    print(f"{artifact.relative_to(ROOT)} can be imported")
    return 0


if __name__ == "__main__":
    sys.exit(main())
