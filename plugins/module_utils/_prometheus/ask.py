# One question in the form that playbooks ask it, and its answer in the form that they read.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Answer, plain_answer
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_duration, read_time

QUESTION: t.Dict[str, t.Dict[str, t.Any]] = {  # noqa: UP006 - evaluated, on Python 3.8 too
    "time": {"type": "str"},
    "start": {"type": "str"},
    "end": {"type": "str", "default": "now"},
    "step": {"type": "str"},
    "allow_partial": {"type": "bool", "default": False},
}
"""Arguments of a module; lookup and module document them alike."""


def ask(client: PrometheusClient, query: str, get: t.Callable[[str], t.Any], now: float) -> dict[str, t.Any]:
    """Ask for *query* at or over the time of the options; *get* gives the value of one. Raises PrometheusError."""
    if get("start") and (get("time") or not get("step")):
        raise PrometheusError(f"{client.url}: a range is start and step, with or without end, and no time")
    try:
        if get("start"):
            start, end = read_time(get("start"), now), read_time(get("end") or "now", now)
            answer = client.query_range(query, start, end, read_duration(get("step")))
        else:
            answer = client.query(query, read_time(get("time"), now) if get("time") else None)
    except ValueError as exc:
        raise PrometheusError(f"{client.url}: {exc}") from exc
    return plain(answer)


def plain(answer: Answer) -> dict[str, t.Any]:
    return {
        "result_type": answer.kind,
        "result": plain_answer(answer),
        "text": answer.text,
        "server_warnings": answer.warnings,
    }
