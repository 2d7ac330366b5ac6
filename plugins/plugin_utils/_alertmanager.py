# A small client of Alertmanager's API version 2, for code that runs on the controller.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and post alerts. Every call is bounded in time and size; each failure is an AlertmanagerError with the URL."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse
from datetime import UTC, datetime

from ansible.module_utils.urls import open_url

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""10,000 alerts of usual size are 3.4 MiB; ten times that is a broken or hostile server."""

_CHUNK_BYTES = 256 * 1024


class AlertmanagerError(Exception):
    """An Alertmanager did not answer, or not with what its API promises."""


def fetch_alerts(base_url: str, timeout: float, matchers: t.Sequence[str] = ()) -> list[dict[str, t.Any]]:
    """Return the alerts that are active and neither silenced nor inhibited.

    *matchers* are in Alertmanager's own form, such as ``alertname="AnsibleRunFailed"``; *timeout* is in seconds.
    """
    query = [("active", "true"), ("silenced", "false"), ("inhibited", "false"), ("unprocessed", "true")]
    query += [("filter", matcher) for matcher in matchers]
    answer = _call("GET", f"{_api(base_url)}/alerts?{urllib.parse.urlencode(query)}", None, timeout)
    if not isinstance(answer, list):
        raise AlertmanagerError(f"{base_url}: the answer is not a list of alerts")
    return answer


def post_alerts(base_url: str, alerts: t.Sequence[t.Mapping[str, t.Any]], timeout: float) -> None:
    """Hand *alerts* to the Alertmanager at *base_url*."""
    _call("POST", f"{_api(base_url)}/alerts", json.dumps(list(alerts)).encode(), timeout)


def fetch_start_time(base_url: str, timeout: float) -> float:
    """Return when this Alertmanager started, in seconds since the epoch: it forgets all alerts when it restarts."""
    answer = _call("GET", f"{_api(base_url)}/status", None, timeout)
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


def _call(method: str, url: str, body: bytes | None, timeout: float) -> t.Any:
    """Return the decoded JSON answer, or None for an empty one."""
    # A socket's timeout starts again with each read, so the whole answer is measured too.
    give_up_at = time.monotonic() + timeout
    # The error names no query: it is long and says nothing a reader needs.
    name = url.partition("?")[0]
    try:
        answer = open_url(
            url,
            method=method,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=timeout,
            use_proxy=False,
        )
        content = b""
        while chunk := answer.read(_CHUNK_BYTES):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise AlertmanagerError(f"{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > give_up_at:
                raise AlertmanagerError(f"{name}: no complete answer within {timeout:g} s")
        return json.loads(content) if content.strip() else None
    except AlertmanagerError:
        raise
    except Exception as exc:
        # open_url raises ssl, socket, http.client and urllib errors, and its own: all of them mean "no answer".
        raise AlertmanagerError(f"{name}: {type(exc).__name__}: {exc}") from exc
