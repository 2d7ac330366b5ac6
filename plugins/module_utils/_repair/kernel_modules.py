# Reads which kernel modules are loaded, and in which order a driver's modules can be unloaded.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure, but for reading /proc/modules."""

from __future__ import annotations

import os
import typing as t

# Each stands before those that it uses.
NVIDIA_MODULES = ("nvidia_drm", "nvidia_modeset", "nvidia_uvm", "nvidia_peermem", "nvidia")


class Loaded(t.NamedTuple):
    """A loaded module: how often it is in use, and by which other modules."""

    uses: int
    users: tuple[str, ...]


def parse_modules(text: str) -> dict[str, Loaded]:
    """Return name -> Loaded from the text of /proc/modules; a line of another form is left out."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[2].isdigit():
            users = () if words[3] == "-" else tuple(word for word in words[3].split(",") if word)
            found[words[0]] = Loaded(int(words[2]), users)
    return found


def loaded_modules(root: str = "/") -> dict[str, Loaded]:
    """Return the loaded modules; OSError if the kernel does not tell."""
    with open(os.path.join(root, "proc/modules"), encoding="ascii", errors="backslashreplace") as handle:
        return parse_modules(handle.read())


def strangers(wanted: t.Sequence[str], loaded: t.Mapping[str, Loaded]) -> list[str]:
    """Return the modules that use one of those C(wanted) and are none of them: they would have to go first."""
    users = {user for name in wanted if name in loaded for user in loaded[name].users}
    return sorted(users - set(wanted))


def module_version(name: str, root: str = "/") -> str | None:
    """Return the version of a loaded module, None if it is not loaded or tells none."""
    try:
        with open(os.path.join(root, "sys/module", name, "version"), encoding="ascii", errors="replace") as handle:
            return handle.read().strip() or None
    except OSError:
        return None
