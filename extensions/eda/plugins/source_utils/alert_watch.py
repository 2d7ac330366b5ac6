# Judges a poll of several Alertmanagers: which alerts there are, and whether the poll is complete.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: answers in, judgement out. An answer that is missing never means that an alert is gone.

A poll is a mapping of URL to the list that this Alertmanager answered, or None when it did not answer.
"""

from __future__ import annotations

import json
import typing as t

RESTART_GRACE_SECONDS = 180.0
"""An Alertmanager forgets its alerts when it restarts; Prometheus sends them again within about a minute."""

Poll = t.Mapping[str, "t.Sequence[t.Any] | None"]


def merge(poll: Poll) -> list[t.Any]:
    """Return the alerts of all Alertmanagers, each once.

    The members of a cluster report the same alert with the same fingerprint and start. What has neither is kept as it
    is: whoever reads the alerts refuses it and says so.
    """
    merged: dict[t.Any, t.Any] = {}
    for answer in poll.values():
        for alert in answer or ():
            merged.setdefault(_identity(alert), alert)
    return list(merged.values())


def is_complete(poll: Poll, answered_before: t.Container[str]) -> bool:
    """Say whether the absence of an alert means anything: somebody answered, and so did all who had answered before."""
    silent = [url for url, answer in poll.items() if answer is None]
    return len(silent) < len(poll) and not any(url in answered_before for url in silent)


def still_filling(started_at: t.Iterable[float], now: float) -> bool:
    """Say whether an Alertmanager that started at one of *started_at* may not have heard of all alerts yet."""
    return any(now - moment < RESTART_GRACE_SECONDS for moment in started_at)


def answered_to_text(answered: t.Iterable[str]) -> str:
    """Return the form in which the URLs that have ever answered are kept in the ledger."""
    return json.dumps(sorted(answered))


def answered_from_text(text: str | None) -> set[str]:
    """Return the URLs of ``answered_to_text``; none when nothing is kept or it cannot be read."""
    try:
        value = json.loads(text or "[]")
    except ValueError:
        return set()
    return {url for url in value if isinstance(url, str)} if isinstance(value, list) else set()


def _identity(alert: t.Any) -> t.Hashable:
    if isinstance(alert, dict):
        fingerprint, starts_at = alert.get("fingerprint"), alert.get("startsAt")
        if isinstance(fingerprint, str) and isinstance(starts_at, str):
            return fingerprint, starts_at
    return json.dumps(alert, sort_keys=True, default=str)
