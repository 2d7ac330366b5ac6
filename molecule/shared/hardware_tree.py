#!/usr/bin/env python3
# Makes the /sys and /proc files of the hardware that a node of the lab pretends to have.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container shows below /sys is its host's, so each node gets a tree of its own, and readers are told its root.

    hardware_tree.py --node NAME      run on the node: once when it is made, and at each boot if it has GPUs

The same description gives the same tree. Everything that is unique on a real machine (serial numbers, MAC addresses,
GUIDs) follows from the node's name; the GPUs are those of the simulator's state (gpusim/README.md). So a GPU that is
missing after a boot has no driver, and a board that was replaced has another UUID. What `gpusim` changes between two
boots, such as the width of a link, shows when this program is run again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hardware.devices import driver_files, pci_files
from hardware.files import Tree, write
from hardware.firmware import firmware_files
from hardware.machine import Machine, describe, parse_state
from hardware.processors import memory_files, processor_files

STATE = "/var/lib/gpusim/state"
ROOT = "/var/lib/gpusim/root"


def hardware_tree(machine: Machine) -> Tree:
    """The whole tree: path below the root -> content. Pure."""
    return {
        **firmware_files(machine),
        **processor_files(machine),
        **memory_files(machine),
        **pci_files(machine),
        **driver_files(machine),
    }


def main(arguments: Sequence[str]) -> int:
    """Entry point of the program on a node."""
    parser = argparse.ArgumentParser(description="Write the hardware files of this node of the lab.")
    parser.add_argument("--node", required=True, help="name of the node; its serial numbers follow from it")
    parser.add_argument("--state", default=STATE, help="state of the simulated GPUs; a node without it has none")
    parser.add_argument("--root", default=ROOT, help="where the tree is written")
    options = parser.parse_args(arguments)
    state = None
    if os.path.exists(options.state):
        with open(options.state, encoding="utf-8") as handle:
            state = parse_state(handle.read())
    changed = write(hardware_tree(describe(options.node, state)), options.root)
    print(f"{options.node}: {changed} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
