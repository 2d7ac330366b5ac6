# A callback that keeps an audit log of playbook runs.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changed what, where and when, as JSON lines that are only ever appended."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit
type: notification
short_description: Keep an audit log of playbook runs as JSON lines
version_added: 0.1.0
author:
  - aidc.ops contributors (@aidc-ops)
description:
  - Appends a line of JSON for the begin of each run, for each task that changed something or failed on a host, and for
    the end of the run.
  - The begin says who (user, the user behind C(sudo), the login, or the user and job of AWX), which playbook in which
    revision of its Git repository, on which control node, with which inventory, limit and tags, whether in check mode,
    and the names of the extra variables.
  - A task says play, task, module, host, whether it changed something, failed or was ignored, the harmless ones of its
    arguments, its command, and how many lines came and went where it reports a difference.
  - 'Nothing secret is meant to get in. The result of a task with C(no_log) is left out. Values are told of arguments
    that are known to be harmless only, of others just the names. Variables are left as they stand in the playbook,
    C({{ name }}), so that a vaulted value cannot get in with them; see O(variables). In commands and messages, what
    looks like a password, a key or a token is replaced. That last rule is made of patterns, and cannot know every form
    that a secret may take: a task that handles one needs C(no_log).'
  - Each line is one write, at most 16 KiB long, and lines of several runs at once never mix. When the file is moved
    away, the next line goes to a new one, so that any program for log rotation will do.
  - If the file cannot be written, or the disk is full, there is one warning and the run goes on. Each following line
    is tried again, and the last line of the run says how many were lost.
requirements:
  - enable it in C(callbacks_enabled)
options:
  path:
    description:
      - The file, on a local filesystem. Its directory has to exist; the file is made with mode C(0600).
      - The user who runs Ansible has to be allowed to write to it.
    type: path
    default: /var/log/aidc_ops/audit.jsonl
    env:
      - name: AIDC_OPS_AUDIT_PATH
    ini:
      - section: callback_aidc_ops_audit
        key: path
  variables:
    description:
      - Put in what variables hold, in commands, in harmless arguments and in the names of a loop's items.
      - More exact, and right only where what is secret is in tasks with C(no_log).
    type: bool
    default: false
    env:
      - name: AIDC_OPS_AUDIT_VARIABLES
    ini:
      - section: callback_aidc_ops_audit
        key: variables
  chain:
    description:
      - Let each line carry its number in the run and the SHA-256 of the line before, so that one that was changed or
        removed shows. The lines at the very end can be removed unseen; send them to another machine soon if that
        matters.
    type: bool
    default: true
    env:
      - name: AIDC_OPS_AUDIT_CHAIN
    ini:
      - section: callback_aidc_ops_audit
        key: chain
  controller_name:
    description:
      - The name of this control node.
      - By default the host name; in a job of AWX, whose containers have names by chance, the host name of AWX.
    type: str
    env:
      - name: AIDC_OPS_CONTROLLER_NAME
    ini:
      - section: callback_aidc_ops_audit
        key: controller_name
notes:
  - A run that is killed has a begin and no end.
  - In a container of AWX, mount the directory of O(path) into it.
seealso:
  - plugin: aidc.ops.alerts
    plugin_type: callback
  - plugin: aidc.ops.metrics
    plugin_type: callback
"""

EXAMPLES = r"""
# ansible.cfg
#
# [defaults]
# callbacks_enabled = aidc.ops.audit
#
# [callback_aidc_ops_audit]
# path = /var/log/aidc_ops/audit.jsonl
"""

import os
import pwd
import re
import time
import typing as t
from datetime import UTC, datetime

from ansible import context
from ansible.release import __version__ as ansible_version

from ansible_collections.aidc.ops.plugins.plugin_utils import _redaction as redaction
from ansible_collections.aidc.ops.plugins.plugin_utils._audit_log import AuditLog
from ansible_collections.aidc.ops.plugins.plugin_utils._run_metrics import count
from ansible_collections.aidc.ops.plugins.plugin_utils._run_reports import (
    BUDGET_SECONDS,
    RUN_ID,
    RunReport,
    Tally,
    awx_job,
    bounded,
    cap,
    controller_name,
    harmless,
    is_check_mode,
)

_MAX_FAILED_HOSTS = 100


def user_name(number: int) -> str:
    """Return the name of a user, or the number where it has none (as in most containers)."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def who() -> dict[str, str]:
    """Return the user of this process, and who is behind it as far as the machine knows."""
    found = {"user": user_name(os.getuid())}
    if os.environ.get("SUDO_USER"):
        found["sudo_user"] = cap(os.environ["SUDO_USER"], 64)
    try:
        # Survives su and sudo, and no user can change it; all ones stand for no login, such as a service.
        with open("/proc/self/loginuid", encoding="ascii") as file:
            number = int(file.read())
        if number != 2**32 - 1:
            found["login"] = user_name(number)
    except (OSError, ValueError):
        pass
    return found


def git_revision(directory: str) -> str:
    """Return the commit that is checked out in the repository that *directory* is in, or nothing.

    Read from the files: starting Git would cost more than everything else here.
    """
    folder = os.path.realpath(directory)
    while True:
        place = os.path.join(folder, ".git")
        if os.path.exists(place):
            break
        parent = os.path.dirname(folder)
        if parent == folder:
            return ""
        folder = parent
    if os.path.isfile(place):
        # A worktree or a submodule: the file says where its repository is.
        place = os.path.join(folder, _first_line(place).partition("gitdir: ")[2])
    common = os.path.join(place, _first_line(os.path.join(place, "commondir")) or ".")
    head = _first_line(os.path.join(place, "HEAD"))
    reference = head.partition("ref: ")[2]
    if reference:
        head = _first_line(os.path.join(common, reference)) or _packed(os.path.join(common, "packed-refs"), reference)
    return head if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", head) else ""


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(4096).strip()
    except OSError:
        return ""


def _packed(path: str, reference: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.split()[0] for line in file if line.strip().endswith(f" {reference}")), "")
    except OSError:
        return ""


class CallbackModule(RunReport):
    """Writes a line for each thing that an auditor asks for."""

    CALLBACK_NAME = "aidc.ops.audit"

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._log: AuditLog | None = None
        self._tally = Tally()
        self._play = ""
        self._began = 0.0
        self._written: dict[str, tuple[t.Any, t.Any]] = {}

    @harmless
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Write who runs what."""
        self.begin(playbook)
        self._began = time.monotonic()
        path = os.path.abspath(str(getattr(playbook, "_file_name", "")))
        plays = playbook.get_plays()
        extra_vars = plays[0].get_variable_manager().extra_vars if plays else {}
        cli = context.CLIARGS
        self._write(
            "start",
            who=who(),
            awx=awx_job(extra_vars),
            controller=cap(controller_name(self.get_option("controller_name")), 128),
            file=redaction.redact(path),
            revision=git_revision(os.path.dirname(path)),
            check_mode=is_check_mode(),
            inventory=[redaction.redact(source, 200) for source in (cli.get("inventory") or ())[:20]],
            limit=redaction.redact(cli.get("subset") or ""),
            tags=[redaction.redact(tag, 60) for tag in (cli.get("tags") or ()) if tag != "all"],
            skip_tags=[redaction.redact(tag, 60) for tag in cli.get("skip_tags") or ()],
            start_at_task=redaction.redact(cli.get("start_at_task") or ""),
            # Their values are nobody's business.
            extra_vars=sorted(redaction.redact(name, 60) for name in extra_vars)[:100],
            ansible=ansible_version,
            pid=os.getpid(),
        )

    @harmless
    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Remember the play."""
        self._play = redaction.redact(play.get_name(), 120)

    @harmless
    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Remember the task as it is written: in a result its variables are put in."""
        self._written[task._uuid] = (task.args, task.delegate_to)

    @harmless
    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        """Remember the handler as it is written."""
        self.v2_playbook_on_task_start(task, False)

    @harmless
    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Write what was changed."""
        if result.is_changed():
            self._task(result, "changed")

    @harmless
    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Write what failed. Whether it is rescued later nobody knows yet."""
        self._task(result, "ignored" if ignore_errors else "failed")

    @harmless
    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Write which host could not be reached."""
        self._task(result, "unreachable")

    @harmless
    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Write that a play had no host."""
        self._write("no_hosts", play=self._play)

    @harmless
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Write how the run ended, and see to it that all of it is on the disk."""
        figures = self._tally.take(stats)
        states, results = count(figures)
        failed = sorted(host for host, counts in figures.items() if counts["failures"] or counts["unreachable"])
        log = self._log
        self._write(
            "end",
            success=bool(figures) and not failed,
            hosts=states,
            results=results,
            failed_hosts=[cap(host, 128) for host in failed[:_MAX_FAILED_HOSTS]],
            seconds=round(time.monotonic() - self._began, 3),
            lost_lines=log.lost if log else 0,
        )
        if log:
            problems = bounded(log.flush, BUDGET_SECONDS, self.CALLBACK_NAME)
            log.close()
            if problems:
                self.warn(f"not all of the audit log is on the disk: {'; '.join(problems)}")

    def _task(self, result: t.Any, status: str) -> None:
        task, fields = result.task, result.task_fields
        module = str(fields.get("action") or task.action)
        told: dict[str, t.Any] = {
            "host": cap(result.host.get_name(), 128),
            "play": self._play,
            "task": redaction.redact(result.task_name, 200),
            "module": cap(module, 128),
            "status": status,
            "changed": bool(result.is_changed()),
            "check_mode": bool(fields.get("check_mode")),
        }
        content = result.result
        if redaction.is_hidden(content) or fields.get("no_log") or task.no_log is True:
            self._write("task", **told, no_log=True)
            return
        variables = self.get_option("variables")
        # A task that was never announced is not known as it is written: then nothing but names is told.
        written, delegated_to = self._written.get(task._uuid, (dict.fromkeys(task.args), None))
        used = {**task.args, **(content.get("invocation", {}).get("module_args") or {})} if variables else None
        self._write(
            "task",
            **told,
            delegated_to=redaction.redact((task.delegate_to if variables else delegated_to) or "", 128),
            command=redaction.command_of(module, written, used),
            arguments=redaction.arguments_of(module, written, used),
            diff=redaction.difference_of(content),
            items=redaction.items_of(content, variables),
            message="" if status == "changed" else self._message(content, module, written, variables),
        )

    @staticmethod
    def _message(content: t.Mapping[str, t.Any], module: str, written: t.Any, variables: bool) -> str:
        if module.rpartition(".")[2] in ("fail", "assert") and not variables:
            # Here the message is an argument.
            return redaction.redact(written.get("msg") or written.get("fail_msg") or "")
        return redaction.redact(content.get("msg") or "")

    def _write(self, event: str, **fields: t.Any) -> None:
        if self._log is None:
            self._log = AuditLog(self.get_option("path"), self.get_option("chain"))
        time_now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": time_now, "event": event, "run": RUN_ID, "playbook": self.playbook, **fields}
        try:
            self._log.write(line)
        except OSError as exc:
            self.warn(f"the audit log {self.get_option('path')} misses lines: {exc}")
