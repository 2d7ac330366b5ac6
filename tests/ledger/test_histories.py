# Random histories on both back ends: no rule is broken, and both ledgers hold the same in the end, row by row.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.tests.histories.history import History
from ansible_collections.aidc.ops.tests.ledger.postgres import schema_url

# tests/histories runs ten thousand, on files.
TOTAL = int(os.environ.get("AIDC_LEDGER_HISTORIES", "12"))


class HistoryOnServer(History):
    """The same site with its ledger in PostgreSQL."""

    def _open(self) -> Ledger:
        return Ledger(schema_url(self.folder), self.clock)


def lived(kind: type[History], program: bytes) -> dict[str, list[list[Any]]]:
    """What the ledger holds at the end of that history."""
    history = kind(program)
    try:
        history.live()
        store = history.ledger._store
        names = store.tables()
        with store.reading() as db:
            return {name: sorted(([*row] for row in db.execute(f"SELECT * FROM {name}")), key=str) for name in names}
    finally:
        history.close()


@pytest.mark.parametrize("number", range(TOTAL))
def test_both_back_ends_live_the_same_history(number: int) -> None:
    dice = random.Random(number)
    program = dice.randbytes(dice.randint(33, 201))
    assert lived(HistoryOnServer, program) == lived(History, program)
