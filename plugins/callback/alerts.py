# A callback that raises an alert for each host that a playbook run failed on.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed runs become alerts. It never fails or delays a run: one thread, a total budget of time, one warning."""

from __future__ import annotations

DOCUMENTATION = r"""
name: alerts
type: notification
short_description: Raise an alert in Alertmanager when a playbook run fails on a host
version_added: 0.1.0
author:
  - aidc.ops contributors (@aidc-ops)
description:
  - At the end of a run, each host that failed or could not be reached becomes one alert C(AnsibleRunFailed), posted to
    every Alertmanager.
  - The next good run of the same playbook on the same host resolves the alert. A run with C(--tags), C(--skip-tags) or
    C(--start-at-task) can raise an alert but never resolves one, for it has not done everything.
  - A run that matched no host at all raises an alert for the controller itself.
  - Runs with C(--check) do nothing here, and neither do the runs of the remediation loop (environment variable
    E(AIDC_OPS_CASE_RUN) is V(1)), for a failed repair is already recorded in its case.
  - Errors before the first play (a syntax error, a missing role or playbook) fire no callback at all in Ansible; this
    plugin cannot see them.
requirements:
  - enable it in C(callbacks_enabled)
options:
  urls:
    description: Base URLs of all Alertmanagers, for example V(http://127.0.0.1:9093).
    type: list
    elements: str
    default: []
    env:
      - name: AIDC_OPS_ALERTMANAGER_URLS
    ini:
      - section: callback_aidc_ops_alerts
        key: urls
  controller_name:
    description:
      - The name of this control node in the C(instance) label of its alerts. C(localhost) is replaced by it.
      - By default the host name.
    type: str
    env:
      - name: AIDC_OPS_CONTROLLER_NAME
    ini:
      - section: callback_aidc_ops_alerts
        key: controller_name
  severity:
    description: The C(severity) label of the alerts.
    type: str
    default: medium
    env:
      - name: AIDC_OPS_RUN_ALERT_SEVERITY
    ini:
      - section: callback_aidc_ops_alerts
        key: severity
  expire_hours:
    description:
      - Hours after which Alertmanager forgets an alert that no good run has resolved.
      - Longer than the longest pause between two runs of a playbook, for nothing sends the alert again.
    type: int
    default: 720
    env:
      - name: AIDC_OPS_RUN_ALERT_EXPIRE_HOURS
    ini:
      - section: callback_aidc_ops_alerts
        key: expire_hours
"""

EXAMPLES = r"""
# ansible.cfg
#
# [defaults]
# callbacks_enabled = aidc.ops.alerts
#
# [callback_aidc_ops_alerts]
# urls = http://127.0.0.1:9093
"""

import os
import platform
import queue
import threading
import time
import typing as t
from pathlib import PurePath

from ansible import context
from ansible.plugins.callback import CallbackBase

from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import (
    fetch_alerts,
    format_time,
    post_alerts,
)

ALERT_NAME = "AnsibleRunFailed"
FAULT_CLASS = "ansible_run_failed"
BUDGET_SECONDS = 2.0
TEXT_LIMIT = 300
MAX_FAILED_HOSTS = 1000
"""More failed hosts than this is one outage, not a thousand cases: the rest is counted in the warning."""


class Outcome(t.NamedTuple):
    """How a run of *playbook* ended: the failed hosts with a text each, and the hosts on which all went well."""

    playbook: str
    failed: dict[str, str]
    good: frozenset[str]


def cap(text: object, limit: int = TEXT_LIMIT) -> str:
    """Return the first line of *text* that is not empty, printable and at most *limit* characters long."""
    for line in str(text).splitlines():
        line = "".join(c if c.isprintable() else " " for c in line).strip()
        if line:
            return line if len(line) <= limit else f"{line[: limit - 1]}…"
    return ""


def playbook_label(path: str) -> str:
    """Return the name of a playbook: ``aidc.ops.site`` inside a collection, else the file's name without its suffix."""
    parts = PurePath(path).parts
    stem = PurePath(path).stem
    if "ansible_collections" in parts:
        inside = parts[parts.index("ansible_collections") + 1 :]
        if len(inside) > 3 and inside[2] == "playbooks":
            return cap(".".join([inside[0], inside[1], stem]), 128)
    return cap(stem, 128)


def labels(playbook: str, host: str, severity: str) -> dict[str, str]:
    """Return the labels of an alert. They are its identity, so a resolve must carry exactly the same."""
    return {
        "alertname": ALERT_NAME,
        "fault_class": FAULT_CLASS,
        "instance": host,
        "playbook": playbook,
        "severity": severity,
    }


def failure_alerts(outcome: Outcome, severity: str, expire_hours: int, now: float) -> list[dict[str, t.Any]]:
    """Return one alert for each failed host, active from *now* until a good run or *expire_hours*."""
    return [
        {
            "labels": labels(outcome.playbook, host, severity),
            "annotations": {
                "summary": f"The playbook {outcome.playbook} failed on {host}",
                "description": text,
            },
            "startsAt": format_time(now),
            "endsAt": format_time(now + expire_hours * 3600),
        }
        for host, text in list(outcome.failed.items())[:MAX_FAILED_HOSTS]
    ]


def resolve_alerts(outcome: Outcome, active: t.Iterable[t.Mapping[str, t.Any]], now: float) -> list[dict[str, t.Any]]:
    """Return the *active* alerts of this playbook whose host went well, with their end set to *now*."""
    resolved = []
    for alert in active:
        found = alert.get("labels") or {}
        if found.get("playbook") == outcome.playbook and found.get("instance") in outcome.good:
            resolved.append({"labels": dict(found), "startsAt": alert.get("startsAt"), "endsAt": format_time(now)})
    return resolved


def deliver(urls: t.Sequence[str], outcome: Outcome, severity: str, expire_hours: int, give_up_at: float) -> list[str]:
    """Post what *outcome* says to every URL; return one text for each URL that could not be told.

    The time left is shared by the URLs that are left, so that a dead one does not starve the others.
    """
    problems = []
    failures = failure_alerts(outcome, severity, expire_hours, time.time())
    matchers = [f'alertname="{ALERT_NAME}"', f'fault_class="{FAULT_CLASS}"']
    for position, url in enumerate(urls):
        turn_ends_at = time.monotonic() + (give_up_at - time.monotonic()) / (len(urls) - position)

        def left(turn_ends_at: float = turn_ends_at) -> float:
            return max(0.05, turn_ends_at - time.monotonic())

        try:
            if failures:
                post_alerts(url, failures, left())
            if outcome.good:
                resolved = resolve_alerts(outcome, fetch_alerts(url, left(), matchers), time.time())
                if resolved:
                    post_alerts(url, resolved, left())
        except Exception as exc:
            problems.append(str(exc))
    return problems


class CallbackModule(CallbackBase):
    """Collects the text of failures while the run goes on, and reports once, when its statistics are known."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "aidc.ops.alerts"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._playbook = "unknown"
        self._texts: dict[str, str] = {}

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Remember which playbook runs."""
        self._playbook = playbook_label(str(getattr(playbook, "_file_name", "unknown")))

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Remember the text. It fires on rescued tasks too: whether the host failed is for the statistics to say."""
        self._remember(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Remember the text."""
        self._remember(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Report the run, within the budget and without ever raising."""
        try:
            self._report(stats)
        except Exception as exc:
            self._display.warning(f"aidc.ops.alerts: the run was not reported: {cap(exc)}")

    def _remember(self, result: t.Any) -> None:
        try:
            task = cap(result.task.get_name(), 120)
            # The result of a task with no_log has no msg: core has replaced it by its own sentence.
            text = cap(result.result.get("msg") or result.result.get("censored") or "no message", TEXT_LIMIT - 150)
            self._texts[str(result.host.get_name())] = cap(f"{task}: {text}")
        except Exception as exc:
            self._display.debug(f"aidc.ops.alerts: a failure without a readable text: {exc}")

    def _report(self, stats: t.Any) -> None:
        if os.environ.get("AIDC_OPS_CASE_RUN") == "1" or context.CLIARGS.get("check"):
            return
        urls = [url for url in self.get_option("urls") if url]
        if not urls:
            return
        outcome = self._outcome(stats)
        self._send(urls, outcome)

    def _outcome(self, stats: t.Any) -> Outcome:
        controller = self.get_option("controller_name") or platform.node()
        failed: dict[str, str] = {}
        good: set[str] = set()
        for host in sorted(stats.processed):
            name = controller if host == "localhost" else host
            summary = stats.summarize(host)
            if summary["unreachable"]:
                failed[name] = self._texts.get(host, "the host could not be reached")
            elif summary["failures"]:
                failed[name] = self._texts.get(host, "a task failed")
            else:
                good.add(name)
        if not stats.processed:
            failed[controller] = "the run matched no host at all"
        elif controller not in stats.processed:
            # A run that reached hosts ends the alert "matched no host".
            good.add(controller)
        return Outcome(self._playbook, failed, frozenset(good - set(failed)) if _is_whole_run() else frozenset())

    def _send(self, urls: list[str], outcome: Outcome) -> None:
        """Deliver in a thread and wait for it, at most the budget. As a daemon, a hanging one ends with the process."""
        give_up_at = time.monotonic() + BUDGET_SECONDS
        problems: queue.Queue[list[str]] = queue.Queue()
        severity, expire_hours = self.get_option("severity"), self.get_option("expire_hours")
        threading.Thread(
            target=lambda: problems.put(deliver(urls, outcome, severity, expire_hours, give_up_at)),
            name="aidc.ops.alerts",
            daemon=True,
        ).start()
        try:
            texts = problems.get(timeout=BUDGET_SECONDS)
        except queue.Empty:
            texts = [f"no answer within {BUDGET_SECONDS:g} s"]
        if len(outcome.failed) > MAX_FAILED_HOSTS:
            texts.append(f"{len(outcome.failed) - MAX_FAILED_HOSTS} failed hosts were not reported")
        if texts:
            self._display.warning(f"aidc.ops.alerts: not every Alertmanager was told: {cap('; '.join(texts))}")


def _is_whole_run() -> bool:
    """Say whether the run did everything that its playbook does."""
    cli = context.CLIARGS
    return tuple(cli.get("tags") or ("all",)) == ("all",) and not cli.get("skip_tags") and not cli.get("start_at_task")
