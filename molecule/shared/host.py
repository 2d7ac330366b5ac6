# Runs commands on the machine that hosts the containers: podman, losetup, ip.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place of the lab's programs that starts processes, so that tests can replace it."""

from __future__ import annotations

import subprocess


class HostError(Exception):
    """A command failed; the message has the command and the end of what it said."""


class Host:
    """Commands of the host, by argument list, never through a shell."""

    def run(self, *command: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Return what the command prints; raise HostError when it fails, is missing or takes too long (seconds)."""
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        except FileNotFoundError:
            raise HostError(f"{command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise HostError(f"{' '.join(command)}: no end after {timeout:.0f} s") from None
        if done.returncode != 0:
            raise HostError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-800:]}")
        return done.stdout

    def ok(self, *command: str) -> bool:
        """Return whether the command succeeds; for questions only."""
        try:
            self.run(*command)
        except HostError:
            return False
        return True
