# The event filter of the remediation rulebook: lets case numbers through, and nothing else.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event becomes variables of a play, which Ansible evaluates. So no text of an alert or a log line may be in it."""

from __future__ import annotations

DOCUMENTATION = r"""
short_description: Let only case numbers through to the rules
description:
  - Builds each event anew from its case numbers. Whatever else the event carries is left behind,
    C(meta.hosts) included, which ansible-rulebook would take for the hosts to run on.
  - An event without a well-formed list of case numbers is dropped, logged and counted.
options: {}
"""

EXAMPLES = r"""
- aidc.ops.cases_tick:
  filters:
    - aidc.ops.guard:
"""

import logging
import typing as t

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health

logger = logging.getLogger("aidc.ops.guard")

MAX_CASES = 1000
MAX_CASE_ID = 2**53


def main(event: dict[str, t.Any]) -> dict[str, t.Any] | list[dict[str, t.Any]]:
    """Return the event rebuilt from its case numbers, or an empty list, which ansible-rulebook takes for "no event"."""
    case_ids = _case_ids(event)
    if not case_ids:
        health.count_dropped_event()
        logger.warning("guard: an event without well-formed case numbers was dropped")
        return []
    return {"cases_due": {"case_ids": case_ids}}


def _case_ids(event: t.Any) -> list[int]:
    """Return the numbers in the order given, each once; an empty list when anything about them is wrong."""
    due = event.get("cases_due") if isinstance(event, dict) else None
    case_ids = due.get("case_ids") if isinstance(due, dict) else None
    if not isinstance(case_ids, list) or len(case_ids) > MAX_CASES:
        return []
    # A bool is an int for Python, and a subclass of int or str may carry anything.
    if {type(case_id) for case_id in case_ids} - {int}:
        return []
    if not all(0 < case_id <= MAX_CASE_ID for case_id in case_ids):
        return []
    return list(dict.fromkeys(case_ids))
