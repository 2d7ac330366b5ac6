#!/usr/bin/env python3
# Runs the checks of this collection and prints one table of their results.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/checks.py [--list] [--live] [--slots N] NAME|GROUP [NAME|GROUP ...]

The list below is the one place that says what is checked and how; the Makefile and .ci/run only call it. A group is a
set of checks: ``fast`` (what one runs while working), ``slow``, ``molecule`` (one check for each scenario), ``all``.
Output of every check goes to .cache/logs/<check>.log; with --live it goes to the screen, for a single check.

Exit status: 0 if all passed, 1 if any failed, 2 for an unknown name, 130 if interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from checks_report import Screen, closing_line, reasons, table
from checks_runner import Check, Result, Runner

ROOT = Path(__file__).resolve().parent.parent

# Cheap checks first: a typing mistake should not wait for a container.
CHECKS: tuple[Check, ...] = (
    Check("link", "the collection is imported from this checkout", "python tools/collection_link.py --check", limit=30),
    Check("yamllint", "YAML style", "yamllint --strict .", needs=("yamllint",), limit=120),
    Check(
        "ruff",
        "Python style and format, and no Python newer than 3.8 in what runs on nodes",
        "ruff check . && ruff format --check . && vermin --quiet -t=3.8- --violations --no-tips"
        " plugins/modules plugins/module_utils roles/*/files tools/bootstrap.py",
        needs=("ruff", "vermin"),
        limit=240,
    ),
    Check(
        "mypy",
        "types of plugins, event code, tools and lab",
        "mypy -p ansible_collections.aidc.ops.plugins -p ansible_collections.aidc.ops.extensions"
        " && mypy $(find tools molecule/shared benchmarks -name '*.py' -not -path '*/tests/*')",
        needs=("mypy",),
    ),
    Check(
        "catalogue",
        "the compiled fault catalogue and record schema and the table of alerts are what their sources give",
        "python tools/compile_catalogue.py --check && python tools/catalogue_page.py --check"
        " && python tools/compile_record.py --check && python tools/alert_page.py --check"
        " && python tools/compile_capacity.py --check",
    ),
    Check(
        "changelog",
        "changelog fragments and record",
        "antsibull-changelog lint && antsibull-changelog lint-changelog-yaml changelogs/changelog.yaml",
        needs=("antsibull-changelog",),
    ),
    Check("reuse", "a licence for every file", "reuse lint", needs=("reuse",)),
    Check(
        "role-specs",
        "defaults and README tables are what the specifications give",
        "python tools/role_specs.py --check",
    ),
    # Twice as many processes as the cores of a small machine: many of these tests wait for something that hangs. A test
    # that never ends says where it stands.
    Check(
        "unit",
        "unit tests of plugins, event code and roles",
        "python -m pytest tests/unit --ignore=tests/unit/frame -m 'not slow' --quiet --numprocesses=4"
        " --durations=10 -rfEs -o faulthandler_timeout=200",
    ),
    Check(
        "frame",
        "unit tests of the lab, its GPU simulator, the tools and the repository",
        "python -m pytest tests/unit/frame --quiet --numprocesses=4 --durations=10 -rfEs -o faulthandler_timeout=200",
    ),
    Check(
        "lint",
        "ansible-lint, production profile",
        "ansible-lint --offline --strict --nocolor",
        limit=1200,
        needs=("ansible-lint", "git"),
    ),
    Check(
        "docs",
        "documentation of plugins, roles and the docs site",
        "antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs"
        " --validate-collection-refs=dependent .",
        needs=("antsibull-docs",),
    ),
    Check(
        "sanity",
        "ansible-test sanity",
        "python tools/run_ansible_test.py sanity",
        group="slow",
        limit=1800,
        lock="ansible-test",
    ),
    Check(
        "integration",
        "ansible-test integration, every target",
        "python tools/run_ansible_test.py integration",
        group="slow",
        needs=("rsync",),
        limit=1800,
        lock="ansible-test",
    ),
    Check(
        "unit-slow",
        "unit tests that play very many cases or wait for what hangs",
        "python -m pytest tests/unit --ignore=tests/unit/frame -m slow --quiet --numprocesses=4"
        " --durations=10 -rfEs -o faulthandler_timeout=200",
        group="slow",
        needs=("rsync",),
    ),
    Check(
        "build", "build the artifact and import it as Galaxy would", "python tools/build_and_import.py", group="slow"
    ),
    Check(
        "rulebook",
        "rulebooks against their schema, and on the real ansible-rulebook, also with jobs that ansible-runner runs",
        "python tools/rulebook_schema.py && python -m pytest tests/rulebooks --quiet",
        group="slow",
        share=0.5,
        needs=("ansible-rulebook", "java", "dpkg-deb"),
        limit=900,
    ),
    Check(
        "gpusim-consumers",
        "NVML users and the real DCGM engine on the simulator",
        "python -m pytest tests/gpusim_consumers --quiet",
        group="slow",
        needs=("gcc", "make"),
        limit=900,
    ),
    Check(
        "histories",
        "10,000 random histories of faults, deaths and clocks against the rules of the gate",
        "python -m pytest tests/histories --quiet --numprocesses=2",
        group="slow",
        limit=1200,
    ),
    Check(
        "ledger",
        "the ledger on a real PostgreSQL, with two controllers",
        "python -m pytest tests/ledger --quiet",
        group="slow",
        share=0.5,
        limit=900,
    ),
    Check(
        "callbacks",
        "callbacks and launcher in real runs, AWX's arguments",
        "python -m pytest tests/callbacks tests/awx --quiet",
        group="slow",
        share=0.5,
        needs=("ansible-playbook",),
        limit=900,
    ),
    Check(
        "slurm",
        "the engine Slurm on a real controller with 24 node daemons",
        "python -m pytest tests/slurm --quiet",
        group="slow",
        share=0.5,
        limit=900,
    ),
    Check(
        "kubernetes",
        "the engine Kubernetes on a real API server (built once, from Debian's source)",
        "python tools/kubernetes_build.py && python -m pytest tests/kubernetes --quiet",
        group="slow",
        limit=3600,
    ),
    Check(
        "playbooks",
        "playbooks on nodes that are folders of hardware files",
        "python -m pytest tests/playbooks --quiet",
        group="slow",
        needs=("ansible-playbook", "dpkg-deb", "rsync"),
        limit=1200,
    ),
    Check(
        "bmc",
        "bmc_info and the inventory redfish on real Redfish and IPMI servers",
        "python -m pytest tests/bmc --quiet",
        group="slow",
        share=0.5,
        needs=("ipmitool", "ipmi_sim", "openssl"),
        limit=900,
    ),
    Check(
        "prometheus",
        "client, inventory, rules and exporters on a real Prometheus",
        "python -m pytest tests/prometheus --quiet",
        group="slow",
        share=0.5,
        needs=("dpkg-deb",),
        limit=1200,
    ),
    Check(
        "logs",
        "the log pipeline on a real rsyslogd and a real PostgreSQL",
        "python -m pytest tests/logs --quiet",
        group="slow",
        share=0.5,
        needs=("dpkg-deb",),
        limit=900,
    ),
    Check(
        "dashboards",
        "dashboards are what their sources give, fit Grafana's types, and every query has an answer",
        "python tools/dashboards.py --check && python tools/grafana_schema.py"
        " && python -m pytest tests/dashboards --quiet",
        group="slow",
        needs=("npm", "node", "dpkg-deb"),
        limit=900,
    ),
)
LONGEST = "molecule-lab"


def scenario_checks(root: Path) -> list[Check]:
    """One check for each scenario under molecule/ (shared/ holds no scenario)."""
    names = sorted(path.parent.name for path in (root / "molecule").glob("*/molecule.yml"))
    return [
        Check(
            f"molecule-{name}",
            f"molecule scenario {name}, from nothing to destroyed",
            f"molecule test -s {name}",
            group="molecule",
            needs=("molecule", "podman"),
            limit=2700,
            cleanup=f"molecule destroy -s {name}",
            # It is seven nodes; beside it only what mostly waits leaves its drills the time that they need.
            share=1.5 if f"molecule-{name}" == LONGEST else 1.0,
        )
        for name in names
    ]


def all_checks(root: Path = ROOT) -> list[Check]:
    """Every check, in the order in which they run.

    The one that uses the whole lab takes longest, so it starts as soon as the cheap ones passed.
    """
    checks = [*CHECKS, *scenario_checks(root)]
    return sorted(checks, key=lambda check: (check.group != "fast", check.name != LONGEST))


def select(wanted: Sequence[str], checks: Sequence[Check]) -> list[Check]:
    """The checks named by name or group, in their own order; ValueError for a name that is neither."""
    known = {check.name for check in checks} | {check.group for check in checks} | {"all", "molecule"}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise ValueError(f"no check and no group is called {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    chosen = [check for check in checks if "all" in wanted or check.name in wanted or check.group in wanted]
    if not chosen:
        raise ValueError(f"no check belongs to {', '.join(wanted)}")
    return chosen


def environment(root: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a check: our tools first, and no Ansible settings of the person who runs it."""
    env = {name: value for name, value in given.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    # System programs such as iptables are not on the PATH of a plain user on Debian.
    env["PATH"] = os.pathsep.join([str(root / ".venv" / "bin"), env.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    env["ANSIBLE_CONFIG"] = str(root / "ansible.cfg")
    env["ANSIBLE_COLLECTIONS_PATH"] = str(root / ".ansible" / "collections")
    env["PYTHONUNBUFFERED"] = "1"
    # Thousands of test files are compiled once and not by every process of every check.
    env["PYTHONPYCACHEPREFIX"] = str(root / ".cache" / "pycache")
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env["NO_COLOR"] = "1"
    env.pop("FORCE_COLOR", None)
    env.pop("PYTHONPATH", None)
    return env


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run checks and print one table of their results.")
    parser.add_argument("names", nargs="*", metavar="NAME|GROUP", help="checks or groups (default: all)")
    parser.add_argument("--list", action="store_true", help="print the checks and their commands, run nothing")
    parser.add_argument("--live", action="store_true", help="show the output of the checks instead of logging it")
    parser.add_argument("--slots", type=int, default=2, help="how much runs at the same time (default: 2)")
    options = parser.parse_args(argv)

    try:
        checks = select(options.names or ["all"], all_checks())
    except ValueError as exc:
        print(f"checks: {exc}", file=sys.stderr)
        return 2
    if options.list:
        for check in checks:
            print(f"{check.name:20} {check.group:9} {check.title}\n{'':30} {check.command}")
        return 0
    return run(checks, max(1, options.slots), options.live)


def run(checks: Sequence[Check], slots: int, live: bool, root: Path = ROOT) -> int:
    """Run the checks, print the table and the closing line; the exit status of the program."""
    screen = Screen(sys.stdout, len(checks), root)
    runner = Runner(root, root / ".cache" / "logs", environment(root, os.environ), slots, screen, live)
    # A stopped CI job sends SIGTERM: end what runs and clean up, as for Ctrl-C.
    before = signal.signal(signal.SIGTERM, _interrupt)
    status = 0
    try:
        runner.run(checks)
    except KeyboardInterrupt:
        status = 130
    finally:
        signal.signal(signal.SIGTERM, before)
    _summary(runner.results, root)
    if status:
        return status
    return 0 if all(result.passed for result in runner.results) else 1


def _interrupt(*_unused: object) -> None:
    raise KeyboardInterrupt


def _summary(results: Sequence[Result], root: Path) -> None:
    print()
    print(table(results, root))
    print()
    if why := reasons(results):
        print(f"{why}\n")
    print(closing_line(results), flush=True)


if __name__ == "__main__":
    sys.exit(main())
