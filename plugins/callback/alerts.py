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
  - Errors before the first play (a syntax error, a missing role or playbook) and killed runs fire no callback that
    this plugin could see. Start runs with the command C(aidc-run), which raises C(AnsibleRunNotStarted) for these.
requirements:
  - enable it in C(callbacks_enabled)
options:
  urls:
    description: Base URLs of all Alertmanagers, for example V(https://127.0.0.1:9093).
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
      - By default the host name; in a job of AWX, whose containers have names by chance, the host name of AWX.
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
  token_file:
    description: File with a bearer token for the Alertmanagers.
    type: path
    env:
      - name: AIDC_OPS_ALERTMANAGER_TOKEN_FILE
    ini:
      - section: callback_aidc_ops_alerts
        key: token_file
  username:
    description: Name for basic authentication at the Alertmanagers.
    type: str
    env:
      - name: AIDC_OPS_ALERTMANAGER_USERNAME
    ini:
      - section: callback_aidc_ops_alerts
        key: username
  password_file:
    description: File with the password that belongs to O(username).
    type: path
    env:
      - name: AIDC_OPS_ALERTMANAGER_PASSWORD_FILE
    ini:
      - section: callback_aidc_ops_alerts
        key: password_file
  ca_file:
    description:
      - File with the authorities that may have signed the certificate of the Alertmanagers.
      - Without it those of the machine count.
    type: path
    env:
      - name: AIDC_OPS_ALERTMANAGER_CA_FILE
    ini:
      - section: callback_aidc_ops_alerts
        key: ca_file
  client_cert:
    description: File with the certificate to show to the Alertmanagers.
    type: path
    env:
      - name: AIDC_OPS_ALERTMANAGER_CLIENT_CERT
    ini:
      - section: callback_aidc_ops_alerts
        key: client_cert
  client_key:
    description: File with the key of O(client_cert), if it is not in the same file.
    type: path
    env:
      - name: AIDC_OPS_ALERTMANAGER_CLIENT_KEY
    ini:
      - section: callback_aidc_ops_alerts
        key: client_key
notes:
  - An Alertmanager that does not answer costs the run at most 2 seconds and one warning.
  - An Alertmanager that restarts may forget alerts, and nothing sends these again. The metrics of
    P(aidc.ops.metrics#callback) with a rule in Prometheus do not have that weakness.
seealso:
  - plugin: aidc.ops.metrics
    plugin_type: callback
  - plugin: aidc.ops.audit
    plugin_type: callback
"""

EXAMPLES = r"""
# ansible.cfg
#
# [defaults]
# callbacks_enabled = aidc.ops.alerts
#
# [callback_aidc_ops_alerts]
# urls = https://monitor:9093
# ca_file = /etc/aidc_ops/collector/ca.crt
# client_cert = /etc/aidc_ops/collector/server.crt
# client_key = /etc/aidc_ops/collector/server.key
"""

import time
import typing as t

from ansible_collections.aidc.ops.plugins.plugin_utils._run_reports import (
    BUDGET_SECONDS,
    RUN_ID,
    RunReport,
    Tally,
    awx_job_url,
    bounded,
    cap,
    controller_name,
    harmless,
    is_case_run,
    is_check_mode,
    is_whole_run,
)

if t.TYPE_CHECKING:
    from ansible_collections.aidc.ops.plugins.plugin_utils._http import Access

ALERT_NAME = "AnsibleRunFailed"
FAULT_CLASS = "ansible_run_failed"
TEXT_LIMIT = 300
MAX_FAILED_HOSTS = 1000
"""More failed hosts than this is one outage, not a thousand cases: the rest is counted in the warning."""


class Outcome(t.NamedTuple):
    """How a run of *playbook* ended: the failed hosts with a text each, and the hosts on which all went well."""

    playbook: str
    failed: dict[str, str]
    good: frozenset[str]


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
    from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import format_time

    where = {"run": RUN_ID, **({"job_url": awx_job_url()} if awx_job_url() else {})}
    return [
        {
            "labels": labels(outcome.playbook, host, severity),
            "annotations": {
                "summary": f"The playbook {outcome.playbook} failed on {host}",
                "description": text,
                **where,
            },
            "startsAt": format_time(now),
            "endsAt": format_time(now + expire_hours * 3600),
        }
        for host, text in list(outcome.failed.items())[:MAX_FAILED_HOSTS]
    ]


def resolve_alerts(outcome: Outcome, active: t.Iterable[t.Mapping[str, t.Any]], now: float) -> list[dict[str, t.Any]]:
    """Return the *active* alerts of this playbook whose host went well, with their end set to *now*."""
    from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import format_time

    resolved = []
    for alert in active:
        found = alert.get("labels") or {}
        mine = (found.get("alertname"), found.get("playbook")) == (ALERT_NAME, outcome.playbook)
        if mine and found.get("instance") in outcome.good:
            resolved.append({"labels": dict(found), "startsAt": alert.get("startsAt"), "endsAt": format_time(now)})
    return resolved


def deliver(
    urls: t.Sequence[str], outcome: Outcome, severity: str, expire_hours: int, give_up_at: float, access: Access
) -> list[str]:
    """Post what *outcome* says to every URL; return one text for each URL that could not be told.

    The time left is shared by the URLs that are left, so that a dead one does not starve the others.
    """
    # Here and not above: a run that reports nothing should not pay for an HTTP client.
    from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import fetch_alerts, post_alerts

    problems = []
    failures = failure_alerts(outcome, severity, expire_hours, time.time())
    matchers = [f'alertname="{ALERT_NAME}"', f'fault_class="{FAULT_CLASS}"']
    for position, url in enumerate(urls):
        turn_ends_at = time.monotonic() + (give_up_at - time.monotonic()) / (len(urls) - position)

        def left(turn_ends_at: float = turn_ends_at) -> float:
            return max(0.05, turn_ends_at - time.monotonic())

        try:
            if failures:
                post_alerts(url, failures, left(), access)
            if outcome.good:
                # Those that somebody has silenced too: they would come back at the end of the silence.
                active = fetch_alerts(url, left(), matchers, access, muted=True)
                resolved = resolve_alerts(outcome, active, time.time())
                if resolved:
                    post_alerts(url, resolved, left(), access)
        except Exception as exc:
            problems.append(str(exc))
    return problems


class CallbackModule(RunReport):
    """Collects the text of failures while the run goes on, and reports once, when its statistics are known."""

    CALLBACK_NAME = "aidc.ops.alerts"

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._texts: dict[str, str] = {}
        self._tally = Tally()

    @harmless
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Remember which playbook runs."""
        self.begin(playbook)
        self._texts = {}
        self.tell_launcher("start")

    @harmless
    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Let the launcher know that the run has got as far as its first play."""
        self.tell_launcher("play")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Remember the text. It fires on rescued tasks too: whether the host failed is for the statistics to say."""
        self._remember(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Remember the text."""
        self._remember(result)

    @harmless
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Report the run, within the budget and without ever raising."""
        outcome = self._outcome(self._tally.take(stats))
        urls = [url for url in self.get_option("urls") if url]
        silent = is_case_run() or is_check_mode()
        if urls and not silent:
            self._send(urls, outcome)
        if urls or silent:
            self.tell_launcher("end", failed=bool(outcome.failed))

    def _remember(self, result: t.Any) -> None:
        try:
            task = cap(result.task.get_name(), 120)
            # The result of a task with no_log has no msg: core has replaced it by its own sentence.
            text = cap(result.result.get("msg") or result.result.get("censored") or "no message", TEXT_LIMIT - 150)
            self._texts[str(result.host.get_name())] = cap(f"{task}: {text}", TEXT_LIMIT)
        except Exception as exc:
            self._display.debug(f"aidc.ops.alerts: a failure without a readable text: {exc}")

    def _outcome(self, figures: t.Mapping[str, t.Mapping[str, int]]) -> Outcome:
        controller = controller_name(self.get_option("controller_name"))
        failed: dict[str, str] = {}
        good: set[str] = set()
        for host, counts in sorted(figures.items()):
            name = controller if host == "localhost" else host
            if counts["unreachable"]:
                failed[name] = self._texts.get(host, "the host could not be reached")
            elif counts["failures"]:
                failed[name] = self._texts.get(host, "a task failed")
            else:
                good.add(name)
        if not figures:
            failed[controller] = "the run matched no host at all"
        elif controller not in figures:
            # A run that reached hosts ends the alert "matched no host".
            good.add(controller)
        return Outcome(self.playbook, failed, frozenset(good - set(failed)) if is_whole_run() else frozenset())

    def _send(self, urls: list[str], outcome: Outcome) -> None:
        from ansible_collections.aidc.ops.plugins.plugin_utils._http import access_from

        give_up_at = time.monotonic() + BUDGET_SECONDS
        severity, expire_hours = self.get_option("severity"), self.get_option("expire_hours")
        access = access_from(self.get_option)
        texts = bounded(
            lambda: deliver(urls, outcome, severity, expire_hours, give_up_at, access),
            BUDGET_SECONDS,
            self.CALLBACK_NAME,
        )
        if len(outcome.failed) > MAX_FAILED_HOSTS:
            texts.append(f"{len(outcome.failed) - MAX_FAILED_HOSTS} failed hosts were not reported")
        if texts:
            self.warn(f"not every Alertmanager was told: {'; '.join(texts)}")
