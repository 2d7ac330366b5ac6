# The order of a node's boots: tells a fresh kernel line from one that is replayed from before a reboot.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, Row

MAX_BOOT = 200


def newest(db: Connection, node_id: str) -> str:
    """The newest boot identity that the ledger knows of the node, "" if it knows none."""
    row = _newest(db, node_id)
    return str(row["boot"]) if row is not None else ""


def learn(db: Connection, node_id: str, boot: str, at: float) -> bool:
    """Notes that the node spoke from ``boot`` at ``at``; False if that is an older boot than the newest known one.

    Boots of one kernel are ordered by the start time that ends the identity; boots of different kernels, whose ids
    have no order, by when they were first seen.
    """
    known = _newest(db, node_id)
    if known is not None:
        if known["boot"] == boot:
            return True
        seen = db.execute("SELECT 1 FROM boots WHERE node_id = ? AND boot = ?", (node_id, boot)).fetchone()
        if seen is not None or not _follows(boot, at, known["boot"], known["first_seen"]):
            return False
    db.execute(
        "INSERT INTO boots (node_id, boot, rank, first_seen) VALUES (?, ?, ?, ?)",
        (node_id, boot, 0 if known is None else known["rank"] + 1, at),
    )
    return True


def _newest(db: Connection, node_id: str) -> Row | None:
    return db.execute("SELECT * FROM boots WHERE node_id = ? ORDER BY rank DESC LIMIT 1", (node_id,)).fetchone()


def _follows(boot: str, at: float, known: str, known_since: float) -> bool:
    kernel, start = _split(boot)
    known_kernel, known_start = _split(known)
    if kernel == known_kernel and start is not None and known_start is not None:
        return start > known_start
    return at > known_since


def _split(boot: str) -> tuple[str, int | None]:
    kernel, mark, start = boot.rpartition(":")
    return (kernel, int(start)) if mark and start.isascii() and start.isdigit() else (boot, None)
