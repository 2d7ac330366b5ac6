# Tells whose a process is.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd
import typing as t


def whose(pid: int, root: str = "/") -> dict[str, t.Any]:
    """Return C({"pid", "name", "owner"}); what cannot be told (the process ended, or is not ours to see) is None."""
    folder = os.path.join(root, "proc", str(pid))
    name = owner = None
    try:
        with open(os.path.join(folder, "comm"), encoding="utf-8", errors="backslashreplace") as handle:
            name = handle.read(256).strip() or None
        uid = os.stat(folder).st_uid
    except OSError:
        return {"pid": pid, "name": name, "owner": None}
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = str(uid)
    return {"pid": pid, "name": name, "owner": owner}


def told(process: t.Mapping[str, t.Any]) -> str:
    """Return a process for a message."""
    return "{} ({}) of {}".format(process["pid"], process["name"] or "?", process["owner"] or "an unknown owner")
