# What every event source has on its desk: settings, ledger and scheduler, and how a batch of signals is taken in.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durable first: record, then contain, then tell which cases a playbook should go on with."""

from __future__ import annotations

import logging
import os
import socket
import time
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.runs import WATCH
from ansible_collections.aidc.ops.plugins.module_utils._cases import settings as settings_module
from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import Settings, load_settings
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import is_server
from ansible_collections.aidc.ops.plugins.module_utils._engines import Engine, open_engines
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

logger = logging.getLogger("aidc.ops.sources")

# A poll may refuse the same thing again and again; this many different refusals are remembered to count each once.
_REFUSALS_KEPT = 10000


def settings_path(args: t.Mapping[str, t.Any]) -> str:
    """Return the settings file of a source: its argument, else the environment, else the usual place."""
    return str(args.get("config") or os.environ.get(settings_module.PATH_VARIABLE) or settings_module.DEFAULT_PATH)


class Desk:
    """Settings, ledger and scheduler of one source; used from one thread. Opening raises AidcOpsError."""

    def __init__(self, path: str) -> None:
        self.settings: Settings = load_settings(path)
        self.ledger = Ledger(self.settings.ledger, password_file=self.settings.ledger_password_file)
        self._engine: Engine | None = None

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def cursor_name(self, source: str) -> str:
        """Return the name under which the reading position of *source* is kept.

        Controllers that share a ledger read from spools and listeners of their own.
        """
        return f"{source}@{socket.gethostname()}" if is_server(self.settings.ledger) else source

    def take_in(
        self,
        signals: t.Sequence[Signal],
        refused: t.Sequence[tuple[str, str]],
        cursor: tuple[str, str],
    ) -> list[int]:
        """Record a batch with its reading position, contain the cases that it made, return the cases that are due."""
        result = self.ledger.record(signals, cursor, self.settings, refused)
        for reason, detail in (*refused, *result.refused):
            logger.info("refused (%s): %.200r", reason, detail)
        touched = [*result.new_case_ids, *result.merged_case_ids]
        if touched and self.settings.containment == "in_process":
            self._contain(touched, signals)
        if touched or result.cleared_case_ids:
            return self.due()
        return []

    def due(self) -> list[int]:
        """Return the cases that are due, and take them as handed over."""
        return self.ledger.due(time.time(), again_seconds=WATCH.again_seconds)

    def _contain(self, case_ids: t.Sequence[int], signals: t.Sequence[Signal]) -> None:
        try:
            if self._engine is None:
                self._engine = open_engines(self.settings)
            for case_id, verdict in contain(self.ledger, self.settings, self._engine, case_ids):
                logger.warning(
                    "case %d: %s", case_id, "contained" if verdict.allowed else f"not contained ({verdict.reason_code})"
                )
                if verdict.allowed:
                    self._note_containment(case_id, signals)
            for note in self._engine.notes():
                logger.warning("%s", note)
        except EngineError as exc:
            # The cases are in the ledger and stay due: their playbook takes the node out as its first step.
            logger.error("containment failed, the playbook tries again: %s", exc)

    def _note_containment(self, case_id: int, signals: t.Sequence[Signal]) -> None:
        node = self.ledger.case(case_id).node
        seen = [item.observed_at for item in signals if item.node == node and item.recognition and not item.cleared]
        if seen:
            health.note_containment(time.time() - min(seen))


class RefusalMemory:
    """Lets each refusal of a source that sees everything again with each poll be counted once."""

    def __init__(self) -> None:
        self._known: frozenset[tuple[str, str]] = frozenset()

    def only_new(self, refused: t.Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the refusals that the poll before did not have."""
        fresh = [refusal for refusal in dict.fromkeys(refused) if refusal not in self._known]
        self._known = frozenset(refused[:_REFUSALS_KEPT])
        return fresh
