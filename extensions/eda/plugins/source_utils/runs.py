# Notices playbook runs that were asked for and never began: no callback fires for a syntax error.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first thing a run does is to take the leases of its cases. A run that does not is not there.

The rule engine does not tell whether its action came to anything. So who hands cases over notes them here, and the
tick compares with the ledger.
"""

from __future__ import annotations

import os
import threading
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import DISPATCH_SECONDS

PARALLEL_VARIABLE = "AIDC_OPS_PARALLEL_RUNS"
"""How many runs may go on at once. While so many do, another one waits for its turn, and nothing is wrong."""

_BATCHES_KEPT = 1000


class CaseState(t.Protocol):
    """What is asked of a case (see _cases.model.Case)."""

    @property
    def lease_holder(self) -> str | None: ...

    @property
    def updated_at(self) -> float: ...

    @property
    def closed_at(self) -> float | None: ...


class RunWatch:
    """Cases handed to the rules, and what became of them. Its methods may be called from any thread.

    ``again_seconds``: after how long a case whose run has not begun is handed over once more.
    """

    def __init__(self) -> None:
        self.again_seconds = DISPATCH_SECONDS
        self._lock = threading.Lock()
        self._batches: list[tuple[float, tuple[int, ...]]] = []
        self._without: dict[int, float] = {}

    def expect(self, start_seconds: float) -> None:
        """Note that a run may take *start_seconds* to begin: one that waits elsewhere is not asked for every 10 s.

        Half of it, so that an event that was lost is made good before its run counts as not started.
        """
        self.again_seconds = max(DISPATCH_SECONDS, start_seconds / 2)

    def handed_over(self, case_ids: t.Sequence[int], now: float) -> None:
        """Note that the rules were given these cases at *now* (seconds since the epoch)."""
        with self._lock:
            self._batches = [*self._batches[-_BATCHES_KEPT + 1 :], (now, tuple(case_ids))]

    def wanted(self, now: float, patience: float) -> list[int]:
        """Return the cases whose state ``judge`` needs: those of runs that should have begun *patience* seconds ago."""
        with self._lock:
            late = [case_id for at, case_ids in self._batches if now - at >= patience for case_id in case_ids]
            return list(dict.fromkeys([*late, *self._without]))

    def judge(self, cases: t.Mapping[int, CaseState], busy: bool, now: float, patience: float) -> int:
        """Return how many runs did not begin. *busy* says that as many runs as may be are going on.

        A case of *cases* that was touched since it was handed over had its run, or needs none.
        """
        with self._lock:
            late = [batch for batch in self._batches if now - batch[0] >= patience]
            self._batches = [batch for batch in self._batches if now - batch[0] < patience]
            if busy:
                self._batches += [(now, case_ids) for _at, case_ids in late]
                late = []
            failed = 0
            for at, case_ids in late:
                untouched = [case_id for case_id in case_ids if _untouched(cases.get(case_id), at)]
                # One run takes all its cases: where one was touched, the run was there.
                if len(untouched) == len(case_ids):
                    failed += 1
                    for case_id in untouched:
                        self._without.setdefault(case_id, at)
            self._without = {case_id: at for case_id, at in self._without.items() if _untouched(cases.get(case_id), at)}
            return failed

    def without_run(self) -> int:
        """Return for how many cases the last run did not begin."""
        with self._lock:
            return len(self._without)


WATCH = RunWatch()
"""The one of this process: all sources hand their cases to the same rules."""


def parallel_runs() -> int:
    """Return how many runs may go on at once; 1 when nobody said."""
    text = os.environ.get(PARALLEL_VARIABLE, "")
    return max(1, int(text)) if text.isdecimal() else 1


def _untouched(case: CaseState | None, since: float) -> bool:
    if case is None or case.closed_at is not None or case.lease_holder is not None:
        return False
    return case.updated_at <= since
