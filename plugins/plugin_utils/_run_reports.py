# What the callbacks that report about runs have in common.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, figures of one playbook, and the promise that a report never fails a run, nor holds it up for long."""

from __future__ import annotations

import functools
import json
import os
import platform
import queue
import threading
import typing as t
import urllib.parse
import uuid
from pathlib import PurePath

from ansible import context
from ansible.plugins.callback import CallbackBase

BUDGET_SECONDS = 2.0
"""What a dead endpoint may cost a run, in all."""

RECORD_PATH = os.environ.pop("AIDC_OPS_RUN_RECORD", "")
"""The file in which this run tells the launcher aidc-run how far it came. Taken out of the environment: a playbook that
a task starts on this machine has not been started by the launcher."""

RUN_ID = uuid.uuid4().hex
"""Of this process: the same in the alerts and in the audit log."""

_EXTRA_VARS = (
    "job_id",
    "job_template_name",
    "job_launch_type",
    "user_name",
    "workflow_job_id",
    "workflow_job_template_name",
    "schedule_name",
    "project_revision",
    "inventory_name",
)

_Method = t.TypeVar("_Method", bound=t.Callable[..., None])


def cap(text: object, limit: int) -> str:
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


def controller_name(option: str | None) -> str:
    """Return the name of the control node: as told, or in a job of AWX the one of AWX, whose containers come and go."""
    if option:
        return option
    if os.environ.get("JOB_ID"):
        host = urllib.parse.urlsplit(os.environ.get("AWX_HOST", "")).hostname
        if host:
            return host
    return platform.node()


def is_check_mode() -> bool:
    """Say whether the run was started with ``--check``."""
    return bool(context.CLIARGS.get("check"))


def is_whole_run() -> bool:
    """Say whether the run does everything that its playbook does."""
    cli = context.CLIARGS
    return tuple(cli.get("tags") or ("all",)) == ("all",) and not cli.get("skip_tags") and not cli.get("start_at_task")


def is_case_run() -> bool:
    """Say whether the remediation loop has started this run."""
    return os.environ.get("AIDC_OPS_CASE_RUN") == "1"


def awx_job(extra_vars: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return what AWX says about its job, in the environment and in variables of its own; empty elsewhere."""
    found = {name: extra_vars.get(f"awx_{name}") for name in _EXTRA_VARS}
    found["job_id"] = found["job_id"] or os.environ.get("JOB_ID")
    if not found["job_id"]:
        return {}
    found["host"] = urllib.parse.urlsplit(os.environ.get("AWX_HOST", "")).hostname
    return {name: cap(value, 128) for name, value in found.items() if value not in (None, "")}


def awx_job_url() -> str:
    """Return the address at which a person sees the output of this job of AWX, or nothing."""
    base, job = os.environ.get("AWX_HOST", ""), os.environ.get("JOB_ID", "")
    parts = urllib.parse.urlsplit(base)
    if not job.isdigit() or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return ""
    return cap(f"{base.rstrip('/')}/#/jobs/playbook/{job}/output", 300)


class Tally:
    """The figures of one playbook by host. Ansible adds up those of all playbooks of a command."""

    def __init__(self) -> None:
        self._before: dict[str, dict[str, int]] = {}

    def take(self, stats: t.Any) -> dict[str, dict[str, int]]:
        """Return the figures since the last call, as the recap has them, of the hosts that did something since then."""
        now = {str(host): dict(stats.summarize(host)) for host in stats.processed}
        own: dict[str, dict[str, int]] = {}
        for host, counts in now.items():
            before = self._before.get(host, {})
            since = {name: count - before.get(name, 0) for name, count in counts.items()}
            if not before or any(since.values()):
                own[host] = since
        self._before = now
        return own


def bounded(work: t.Callable[[], list[str] | None], seconds: float, name: str) -> list[str]:
    """Do *work* in a thread and wait for it, at most so long. Return its texts about what went wrong, if any.

    Not even the look-up of a server's name can hold up the caller then. As a daemon, a hanging thread ends with the
    process.
    """
    answers: queue.Queue[list[str]] = queue.Queue()

    def run() -> None:
        try:
            answers.put(work() or [])
        except Exception as exc:
            answers.put([f"{type(exc).__name__}: {exc}"])

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return [f"no answer within {seconds:.2g} s"]


def harmless(method: _Method) -> _Method:
    """Make a method of a callback that never raises: what goes wrong becomes the one warning of its plugin."""

    @functools.wraps(method)
    def guarded(self: RunReport, *args: t.Any, **kwargs: t.Any) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as exc:
            self.warn(f"the run is not fully reported: {type(exc).__name__}: {exc}")

    return t.cast("_Method", guarded)


class RunReport(CallbackBase):
    """A callback that reports about runs, and warns at most once."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.playbook = "unknown"
        self._warned = False

    def begin(self, playbook: t.Any) -> None:
        """Remember which playbook runs."""
        self.playbook = playbook_label(str(getattr(playbook, "_file_name", "unknown")))

    def warn(self, text: str) -> None:
        """Warn, if nothing was warned of yet."""
        if not self._warned:
            self._warned = True
            self._display.warning(f"{self.CALLBACK_NAME}: {cap(text, 500)}")

    def tell_launcher(self, event: str, **facts: t.Any) -> None:
        """Note *event* (``start``, ``play`` or ``end``) for the launcher, where there is one."""
        if RECORD_PATH:
            line = json.dumps({"event": event, "playbook": self.playbook, **facts})
            with open(RECORD_PATH, "a", encoding="utf-8") as file:
                file.write(f"{line}\n")
