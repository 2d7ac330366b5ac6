# A Slurm stand-in for tests: copies of the commands in slurm_commands/, over one file for each node.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

COMMANDS = Path(__file__).parent / "slurm_commands"


class FakeSlurm:
    """``scontrol`` and ``squeue`` are the paths of the commands; states can be looked at and set."""

    def __init__(self, root: Path, nodes: t.Iterable[str]) -> None:
        self.root = root
        (root / "nodes").mkdir(parents=True)
        (root / "jobs").touch()
        (root / "calls").touch()
        for name in nodes:
            self.set(name, "IDLE")
        self.scontrol = self._install("scontrol")
        self.squeue = self._install("squeue")

    def set(self, name: str, state: str, reason: str = "") -> None:
        (self.root / "nodes" / name).write_text(f"{state}|{reason}\n")

    def state(self, name: str) -> str:
        return (self.root / "nodes" / name).read_text().partition("|")[0]

    def reason(self, name: str) -> str:
        return (self.root / "nodes" / name).read_text().strip().partition("|")[2]

    def calls(self, word: str) -> list[str]:
        """The commands so far that hold the word."""
        return [line for line in (self.root / "calls").read_text().splitlines() if word in line]

    def break_it(self, broken: bool = True) -> None:
        """Make every scontrol fail, or work again."""
        flag = self.root / "broken"
        flag.touch() if broken else flag.unlink()

    def _install(self, name: str) -> Path:
        return Path(shutil.copy(COMMANDS / name, self.root / name))
