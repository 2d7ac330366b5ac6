# A small client of Alertmanager's API version 2, for code that runs on the controller.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and post alerts. Every call is bounded in time and size; each failure is an AlertmanagerError with the URL."""

from __future__ import annotations

import json
import typing as t
import urllib.parse
from datetime import UTC, datetime

from ansible_collections.aidc.ops.plugins.plugin_utils._http import Access, HttpError, request

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""10,000 alerts of usual size are 3.4 MiB; ten times that is a broken or hostile server."""

_OPEN = Access()


class AlertmanagerError(Exception):
    """An Alertmanager did not answer, or not with what its API promises."""


def fetch_alerts(
    base_url: str, timeout: float, matchers: t.Sequence[str] = (), access: Access = _OPEN, muted: bool = False
) -> list[dict[str, t.Any]]:
    """Return the alerts that are active; those that are silenced or inhibited only with *muted*.

    *matchers* are in Alertmanager's own form, such as ``alertname="AnsibleRunFailed"``; *timeout* is in seconds.
    """
    also = str(muted).lower()
    query = [("active", "true"), ("silenced", also), ("inhibited", also), ("unprocessed", "true")]
    query += [("filter", matcher) for matcher in matchers]
    answer = _call("GET", f"{_api(base_url)}/alerts?{urllib.parse.urlencode(query)}", None, timeout, access)
    if not isinstance(answer, list):
        raise AlertmanagerError(f"{base_url}: the answer is not a list of alerts")
    return answer


def post_alerts(
    base_url: str, alerts: t.Sequence[t.Mapping[str, t.Any]], timeout: float, access: Access = _OPEN
) -> None:
    """Hand *alerts* to the Alertmanager at *base_url*."""
    _call("POST", f"{_api(base_url)}/alerts", json.dumps(list(alerts)).encode(), timeout, access)


def fetch_start_time(base_url: str, timeout: float, access: Access = _OPEN) -> float:
    """Return when this Alertmanager started, in seconds since the epoch: it forgets all alerts when it restarts."""
    answer = _call("GET", f"{_api(base_url)}/status", None, timeout, access)
    try:
        return parse_time(answer["uptime"])
    except (KeyError, TypeError, ValueError) as exc:
        raise AlertmanagerError(f"{base_url}: the status has no start time: {exc!r}") from exc


def parse_time(text: str) -> float:
    """Return the seconds since the epoch of an RFC 3339 time. Raises ValueError."""
    head, dot, tail = str(text).partition(".")
    if dot:
        # Go writes up to nine digits of fraction; Python 3.8 to 3.10 read three or six only.
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
    moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment.timestamp()


def format_time(moment: float) -> str:
    """Return *moment*, in seconds since the epoch, as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _api(base_url: str) -> str:
    return f"{base_url.rstrip('/')}/api/v2"


def _call(method: str, url: str, body: bytes | None, timeout: float, access: Access) -> t.Any:
    """Return the decoded JSON answer, or None for an empty one."""
    try:
        content = request(method, url, body, timeout, access, max_bytes=MAX_ANSWER_BYTES)
        return json.loads(content) if content.strip() else None
    except HttpError as exc:
        raise AlertmanagerError(str(exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise AlertmanagerError(f"{url.partition('?')[0]}: the answer is no JSON: {exc}") from exc
