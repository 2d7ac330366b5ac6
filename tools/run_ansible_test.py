#!/usr/bin/env python3
# Runs ansible-test on the checkout itself, also where Ansible's own file server is out of reach.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/run_ansible_test.py sanity|integration [arguments of ansible-test]

ansible-test wants to be started in a directory ansible_collections/NAMESPACE/NAME. ANSIBLE_TEST_CONTENT_ROOT names the
link that leads to the checkout, and --local keeps it from starting itself again somewhere else, where the link is lost.

For its sanity tests it makes virtual environments without pip and downloads a bootstrap script for pip from a file
server of the Ansible project. Only if that download fails, a script that does the same with Python's own ensurepip is
put where ansible-test keeps the downloaded one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / ".ansible" / "collections" / "ansible_collections" / "aidc" / "ops"
SERVER = "https://ci-files.testing.ansible.com/ansible-test/get-pip-{version}.py"
SECONDS = 10
# Sanity tests are for what the artifact contains. These folders are not in it; ruff, mypy and tests watch them.
OUTSIDE = ("benchmarks/", "molecule/", "tools/")

BOOTSTRAP = """\
# Stand-in for the pip bootstrap script that ansible-test downloads; written because the download failed.
# Remove this file to have ansible-test download the original again.
import subprocess
import sys

# A process of its own: ensurepip changes the pip settings of the process that it runs in.
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
arguments = [text for text in sys.argv[1:] if text not in ("--no-setuptools", "--no-wheel")]
if arguments:
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments]))
"""


class AnsibleTestError(Exception):
    """ansible-test cannot be used; the message says why."""


def pip_version(sources: str) -> str:
    """The pip version that ansible-test bootstraps, from the text of its python_requirements.py."""
    found = re.search(r"pip=['\"]([0-9.]+)['\"]", sources)
    if found is None:
        raise AnsibleTestError(
            "ansible-test no longer says which pip version it bootstraps; read its python_requirements.py"
        )
    return found.group(1)


def download(url: str) -> bytes | None:
    """The content behind the address, or None if it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - a constant https address
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def provide_bootstrap(version: str, cache: Path, fetch: Callable[[str], bytes | None] = download) -> str:
    """Make sure that the bootstrap script is in the cache directory; says what was done.

    A script that is there already stays. What the server has goes before the stand-in.
    """
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return "present"
    content = fetch(SERVER.format(version=version))
    cache.mkdir(parents=True, exist_ok=True)
    # Complete or not there: another run of ansible-test may look for the script right now.
    unfinished = script.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(BOOTSTRAP.encode() if content is None else content)
    unfinished.replace(script)
    return "stand-in written" if content is None else "downloaded"


def command_line(arguments: Sequence[str], bindir: Path, python: str) -> list[str]:
    """The ansible-test call for a sub-command and its arguments; python is 'major.minor'."""
    program, *rest = arguments
    line = [str(bindir / "ansible-test"), program, "--local", "--python", python, "--color", "no"]
    if program == "sanity":
        line.append("--requirements")
        for folder in OUTSIDE:
            line += ["--exclude", folder]
    return [*line, *rest]


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] not in ("sanity", "integration"):
        print("usage: tools/run_ansible_test.py sanity|integration [arguments of ansible-test]", file=sys.stderr)
        return 2
    if not CONTENT.exists():
        print("run_ansible_test: the collection link is missing (make setup)", file=sys.stderr)
        return 1
    spec = find_spec("ansible_test")
    if spec is None or not spec.submodule_search_locations:
        print("run_ansible_test: ansible-core is not installed in this Python (make setup)", file=sys.stderr)
        return 1
    if arguments[0] == "integration" and not list(
        (ROOT / "tests" / "integration" / "targets").glob("*/tasks/main.yml")
    ):
        print("run_ansible_test: there is no integration target under tests/integration/targets", file=sys.stderr)
        return 1
    sources = Path(spec.submodule_search_locations[0], "_internal", "python_requirements.py")
    version = pip_version(sources.read_text(encoding="utf-8"))
    state = provide_bootstrap(version, Path.home() / ".ansible" / "test" / "cache")
    print(f"pip {version} bootstrap script: {state}", flush=True)

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = {**os.environ, "ANSIBLE_TEST_CONTENT_ROOT": str(CONTENT)}
    # ansible-test brings its own configuration and collection paths.
    for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH"):
        environment.pop(name, None)
    line = command_line(arguments, Path(sys.executable).parent, python)
    return subprocess.run(line, cwd=CONTENT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
