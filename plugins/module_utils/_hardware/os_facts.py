# Which operating system runs, and which of its boots.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import typing as t

from .identity import current_boot_identity
from .sysfs import Report, below, read_lines

OS_KEYS = ("name", "version", "kernel", "architecture", "boot_identity")


def parse_os_release(lines: t.Iterable[str]) -> dict[str, str]:
    """Return the assignments of an os-release file; a line that is none is skipped."""
    values = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        if len(words) == 1:
            values[name] = words[0]
    return values


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read()


def read_os(root: str, report: Report, system: str = "/") -> dict[str, t.Any]:
    """Return what runs. All of it is asked of the running system, whatever the root of the hardware tree is."""
    release: dict[str, str] = {}
    for name in ("etc/os-release", "usr/lib/os-release"):
        lines = read_lines(below(system, name), 65536)
        if lines is not None:
            release = parse_os_release(lines)
            break
    kernel = os.uname()
    facts: dict[str, t.Any] = dict.fromkeys(OS_KEYS)
    facts.update(
        name=release.get("ID"),
        version=release.get("VERSION_ID"),
        kernel=kernel.release,
        architecture=kernel.machine,
    )
    try:
        facts["boot_identity"] = current_boot_identity(lambda path: _read(below(system, path.lstrip("/"))))
    except (OSError, ValueError) as exc:
        report(None, f"the boot cannot be identified: {exc}")
    return facts
