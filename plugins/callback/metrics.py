# A callback that tells Prometheus how playbook runs went.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the last run of each playbook, as a file for node_exporter, to a Pushgateway, or both."""

from __future__ import annotations

DOCUMENTATION = r"""
name: metrics
type: notification
short_description: Tell Prometheus how playbook runs went
version_added: 0.1.0
author:
  - aidc.ops contributors (@aidc-ops)
description:
  - Writes gauges of the last run of each playbook, as one file for each playbook in the directory of node_exporter's
    textfile collector, or sends them to a Pushgateway, or both.
  - That a run has begun is written at its begin, so that a rule can find runs that never came to an end. The time of
    the last success stays when a run fails.
  - All metrics have the labels C(playbook), C(controller) and C(check_mode).
  - C(ansible_playbook_start_timestamp_seconds), C(ansible_playbook_end_timestamp_seconds) (0 if no run ever ended) and
    C(ansible_playbook_last_success_timestamp_seconds) are times.
  - C(ansible_playbook_last_run_success) is 1 if no host failed or was unreachable, and 0 also if no host was matched.
    C(ansible_playbook_duration_seconds) is how long the run took.
  - C(ansible_playbook_hosts) has the label C(state), one of C(ok), C(changed), C(failed), C(unreachable), C(rescued),
    C(ignored) and C(none) (all was skipped). Each host counts once, under the worst that it met.
  - C(ansible_playbook_task_results) has the label C(result), with the figures of the recap.
  - C(ansible_playbook_play_duration_seconds) has the label C(play).
  - Nothing of it needs a library. No name of a host is ever a label, and names of tasks only with O(slowest_tasks).
requirements:
  - enable it in C(callbacks_enabled)
options:
  textfile_dir:
    description:
      - Directory of the textfile collector on this machine, on a local filesystem. The user who runs Ansible has to be
        allowed to write there.
    type: path
    env:
      - name: AIDC_OPS_RUN_METRICS_DIR
    ini:
      - section: callback_aidc_ops_metrics
        key: textfile_dir
  pushgateway_url:
    description:
      - Base URL of a Pushgateway, for example V(https://127.0.0.1:9091), for runs on machines that come and go, such as
        the containers of AWX.
    type: str
    env:
      - name: AIDC_OPS_PUSHGATEWAY_URL
    ini:
      - section: callback_aidc_ops_metrics
        key: pushgateway_url
  controller_name:
    description:
      - The name of this control node in the label C(controller).
      - By default the host name; in a job of AWX, whose containers have names by chance, the host name of AWX.
    type: str
    env:
      - name: AIDC_OPS_CONTROLLER_NAME
    ini:
      - section: callback_aidc_ops_metrics
        key: controller_name
  slowest_tasks:
    description:
      - How many of the slowest tasks become series C(ansible_playbook_slowest_task_duration_seconds) with the label
        C(task). Their time is from the start of the task to the start of the next one.
      - Names of tasks can be anything, and each new one is a new series; so none by default.
    type: int
    default: 0
    env:
      - name: AIDC_OPS_RUN_METRICS_SLOWEST_TASKS
    ini:
      - section: callback_aidc_ops_metrics
        key: slowest_tasks
  token_file:
    description: File with a bearer token for the Pushgateway.
    type: path
    env:
      - name: AIDC_OPS_PUSHGATEWAY_TOKEN_FILE
    ini:
      - section: callback_aidc_ops_metrics
        key: token_file
  username:
    description: Name for basic authentication at the Pushgateway.
    type: str
    env:
      - name: AIDC_OPS_PUSHGATEWAY_USERNAME
    ini:
      - section: callback_aidc_ops_metrics
        key: username
  password_file:
    description: File with the password that belongs to O(username).
    type: path
    env:
      - name: AIDC_OPS_PUSHGATEWAY_PASSWORD_FILE
    ini:
      - section: callback_aidc_ops_metrics
        key: password_file
  ca_file:
    description:
      - File with the authorities that may have signed the certificate of the Pushgateway.
      - Without it those of the machine count.
    type: path
    env:
      - name: AIDC_OPS_PUSHGATEWAY_CA_FILE
    ini:
      - section: callback_aidc_ops_metrics
        key: ca_file
  client_cert:
    description: File with the certificate to show to the Pushgateway.
    type: path
    env:
      - name: AIDC_OPS_PUSHGATEWAY_CLIENT_CERT
    ini:
      - section: callback_aidc_ops_metrics
        key: client_cert
  client_key:
    description: File with the key of O(client_cert), if it is not in the same file.
    type: path
    env:
      - name: AIDC_OPS_PUSHGATEWAY_CLIENT_KEY
    ini:
      - section: callback_aidc_ops_metrics
        key: client_key
notes:
  - What cannot be written costs one warning; a Pushgateway that does not answer costs at most 2 seconds in all
    besides.
  - Playbooks whose files have the same name share their figures, unless they are in collections.
  - A job of AWX that is cancelled, and a run that is killed, leave a start without an end.
seealso:
  - plugin: aidc.ops.alerts
    plugin_type: callback
  - plugin: aidc.ops.audit
    plugin_type: callback
"""

EXAMPLES = r"""
# ansible.cfg
#
# [defaults]
# callbacks_enabled = aidc.ops.metrics
#
# [callback_aidc_ops_metrics]
# textfile_dir = /var/lib/prometheus/node-exporter
"""

import time
import typing as t

from ansible_collections.aidc.ops.plugins.plugin_utils import _run_metrics as run_metrics
from ansible_collections.aidc.ops.plugins.plugin_utils._run_reports import (
    BUDGET_SECONDS,
    RunReport,
    Tally,
    bounded,
    cap,
    controller_name,
    harmless,
    is_check_mode,
)

NAME_LIMIT = 128


class Stopwatch:
    """Adds up how long things of one kind took, when one begins as the last one ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name: str | None = None
        self._since = 0.0

    def next(self, name: str | None) -> None:
        """End the thing that is going on, and begin the one of that name, if any."""
        now = time.monotonic()
        if self._name is not None:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, now


class CallbackModule(RunReport):
    """Writes at the start of a run that it has begun, and at its end how it went."""

    CALLBACK_NAME = "aidc.ops.metrics"

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._tally = Tally()
        self._run: run_metrics.Figures | None = None
        self._began = 0.0
        self._plays, self._tasks = Stopwatch(), Stopwatch()
        self._budget = BUDGET_SECONDS

    @harmless
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Write that the run has begun."""
        self.begin(playbook)
        name = cap(controller_name(self.get_option("controller_name")), NAME_LIMIT)
        self._run = run_metrics.Figures(self.playbook, name, is_check_mode(), time.time())
        self._began = time.monotonic()
        self._plays, self._tasks = Stopwatch(), Stopwatch()
        self.tell_launcher("start")
        directory = self.get_option("textfile_dir")
        # Half of the time is for the end: that is what must be told.
        self._push(run_metrics.at_start(self._run), self._budget / 2)
        if directory:
            run_metrics.write_start(directory, self._run)

    @harmless
    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Begin to measure the play."""
        self._plays.next(cap(play.get_name(), NAME_LIMIT))
        self.tell_launcher("play")

    @harmless
    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Begin to measure the task."""
        if self.get_option("slowest_tasks"):
            self._tasks.next(cap(task.get_name(), NAME_LIMIT))

    @harmless
    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        """Begin to measure the handler."""
        self.v2_playbook_on_task_start(task, False)

    @harmless
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Write how the run went."""
        run = self._run
        if run is None:
            return
        self._plays.next(None)
        self._tasks.next(None)
        # The clock may have been set since; the time that has passed is the truth.
        run.ended_at = run.started_at + time.monotonic() - self._began
        run.hosts, run.results = run_metrics.count(self._tally.take(stats))
        run.plays = self._plays.seconds
        run.slowest_tasks = run_metrics.most(self._tasks.seconds, self.get_option("slowest_tasks"))
        self._push(run_metrics.at_end(run), self._budget)
        directory = self.get_option("textfile_dir")
        if directory:
            run_metrics.write_end(directory, run)
        if directory or self.get_option("pushgateway_url"):
            self.tell_launcher("end", failed=not run.success)

    def _push(self, lines: run_metrics.Lines, seconds: float) -> None:
        """Send to the Pushgateway, if there is one, within so many seconds; they are taken from the budget."""
        url, run = self.get_option("pushgateway_url"), self._run
        if not url or run is None:
            return
        from ansible_collections.aidc.ops.plugins.plugin_utils._http import access_from

        access = access_from(self.get_option)
        began = time.monotonic()

        problems = bounded(lambda: run_metrics.push(url, run, lines, seconds, access), seconds, self.CALLBACK_NAME)
        self._budget = max(0.1, self._budget - (time.monotonic() - began))
        if problems:
            self.warn(f"the Pushgateway was not told: {'; '.join(problems)}")
