#!/usr/bin/env python3
# The lab of aidc.ops: brings it up, tells the story of three faults, takes it down.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Driver behind `make demo` and `make demo-down`, and behind the scenario molecule/lab."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import demo_plan
from demo_lab import LOGS, Lab
from demo_progress import DemoError, Progress
from demo_story import Story


def bring_up(lab: Lab) -> None:
    """Make the lab ready; what is as it should be already is not touched."""
    lab.prepare_host()
    lab.containers()
    if lab.provisioned():
        return
    lab.bootstrap()
    lab.provision()


def run(lab: Lab, options: argparse.Namespace) -> None:
    """Do what was asked for; DemoError with the reason if it cannot be done."""
    if options.command == "down":
        lab.down()
    elif options.command == "containers":
        lab.prepare_host()
        lab.containers()
    elif options.command == "bootstrap":
        lab.locate()
        lab.bootstrap()
    elif options.command == "provision":
        lab.locate()
        lab.progress.line(lab.provision(check=options.check))
    elif options.command == "lab":
        bring_up(lab)
    else:
        if options.command == "up":
            bring_up(lab)
        lab.locate()
        Story(lab).tell()


def main(argv: list[str] | None = None) -> int:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=demo_plan.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("up", "bring the lab up and tell the story"),
        ("lab", "bring the lab up, and nothing more"),
        ("story", "tell the story on a lab that is up"),
        ("containers", "only the containers (molecule create)"),
        ("bootstrap", "only the controller's tools (molecule prepare)"),
        ("provision", "only provisioning (molecule converge)"),
        ("down", "remove everything but images and caches"),
    ):
        commands.add_parser(name, help=text, description=text)
    commands.choices["provision"].add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(argv)
    progress = Progress()
    try:
        lab = Lab(progress)
        with lab.lock():
            run(lab, options)
    except DemoError as error:
        progress.line(f"\nStopped: {error}\nLogs are in {LOGS}.")
        return 1
    except KeyboardInterrupt:
        progress.line("\nInterrupted. Run it again to go on, or `make demo-down` to remove everything.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
