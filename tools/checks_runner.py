# Runs checks as processes, a few at a time, each with a log, a time limit and a result.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machinery of ``tools/checks.py``; it knows nothing about which checks there are.

A check either passed or failed. A program that is not there, a time limit that ran out and an interruption are failures
too: nothing is skipped, so a table without failures means that everything ran.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

POLL_SECONDS = 0.1
GRACE_SECONDS = 10.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Check:
    """One thing that can be checked.

    command is a line for bash. needs names the programs that must be on PATH. limit is in seconds. Two checks with the
    same lock never run at the same time. cleanup, also a line for bash, runs after a check that was stopped. share is
    how much of a slot it takes: half of one if it mostly waits, for daemons to start or a time to pass.
    """

    name: str
    title: str
    command: str
    group: str = "fast"
    needs: tuple[str, ...] = ()
    limit: float = 600.0
    lock: str | None = None
    cleanup: str | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Result:
    """How one check ended. reason is empty for a passed check; seconds is wall time."""

    check: Check
    passed: bool
    seconds: float
    reason: str
    log: Path


class Progress(Protocol):
    """What the runner tells about its work while it runs."""

    def started(self, check: Check) -> None: ...

    def running(self, checks: Mapping[str, float], waiting: int) -> None: ...

    def finished(self, result: Result) -> None: ...


@dataclass
class _Job:
    check: Check
    process: subprocess.Popen[bytes]
    started: float
    log: Path
    reason: str = field(default="")
    stopping: float | None = field(default=None)


class Runner:
    """Runs checks in the given order, as many at a time as `slots` hold, in directory `root` with environment `env`."""

    def __init__(
        self, root: Path, logs: Path, env: Mapping[str, str], slots: int, progress: Progress, live: bool = False
    ) -> None:
        self.root = root
        self.logs = logs
        self.env = dict(env)
        self.slots = slots
        self.progress = progress
        self.live = live
        self.results: list[Result] = []
        self._jobs: list[_Job] = []
        self._order: dict[str, int] = {}

    def run(self, checks: Sequence[Check]) -> list[Result]:
        """Run all checks and return the results in the order of the checks; KeyboardInterrupt stops what runs."""
        self.logs.mkdir(parents=True, exist_ok=True)
        waiting = list(checks)
        self._order = {check.name: place for place, check in enumerate(checks)}
        try:
            while waiting or self._jobs:
                self._start_what_fits(waiting)
                self._look(len(waiting))
                if self._jobs:
                    time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self._interrupt()
            for check in waiting:
                self._record(Result(check, False, 0.0, "not started", self._log(check)))
            raise
        finally:
            self.results.sort(key=lambda result: self._order[result.check.name])
        return self.results

    def _log(self, check: Check) -> Path:
        return self.logs / f"{check.name}.log"

    def _record(self, result: Result) -> None:
        self.results.append(result)
        self.progress.finished(result)

    def _start_what_fits(self, waiting: list[Check]) -> None:
        # The first one that lacks room. What overtakes it leaves that room: small ones would keep a large one out.
        first: Check | None = None
        for check in list(waiting):
            taken = sum(job.check.share for job in self._jobs)
            if self._jobs and (self.live or taken + check.share > self.slots):
                first = first or check
                continue
            if first is not None and self._later_than(first) + check.share + first.share > self.slots:
                continue
            if check.lock is not None and check.lock in {job.check.lock for job in self._jobs}:
                continue
            missing = [name for name in check.needs if shutil.which(name, path=self.env.get("PATH")) is None]
            if missing:
                waiting.remove(check)
                reason = f"not installed: {', '.join(missing)} (make setup)"
                self._log(check).write_text(reason + "\n", encoding="utf-8")
                self._record(Result(check, False, 0.0, reason, self._log(check)))
                continue
            with _interrupts_held_back():
                self._jobs.append(self._start(check))
                waiting.remove(check)
            self.progress.started(check)

    def _later_than(self, check: Check) -> float:
        """Room that is taken by what comes after that check."""
        place = self._order[check.name]
        return sum(job.check.share for job in self._jobs if self._order[job.check.name] > place)

    def _start(self, check: Check) -> _Job:
        log = self._log(check)
        with log.open("wb") as output:
            # A session of its own: the time limit then also reaches what the check has started.
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", check.command],
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=None if self.live else output,
                stderr=None if self.live else subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heed_interrupts,
            )
        return _Job(check, process, time.monotonic(), log)

    def _look(self, waiting: int) -> None:
        now = time.monotonic()
        for job in list(self._jobs):
            code = job.process.poll()
            if code is None:
                self._enforce_limit(job, now)
                continue
            self._jobs.remove(job)
            if job.reason:
                _signal_group(job, signal.SIGKILL)
                self._clean(job)
            reason = job.reason or ("" if code == 0 else f"exit status {code}")
            self._record(Result(job.check, not reason, now - job.started, reason, job.log))
        if self._jobs:
            self.progress.running({job.check.name: now - job.started for job in self._jobs}, waiting)

    def _enforce_limit(self, job: _Job, now: float) -> None:
        if job.stopping is None and now - job.started > job.check.limit:
            job.reason = f"not done after {job.check.limit:g} s"
            job.stopping = now
            _signal_group(job, signal.SIGTERM)
        elif job.stopping is not None and now - job.stopping > GRACE_SECONDS:
            _signal_group(job, signal.SIGKILL)

    def _interrupt(self) -> None:
        for job in self._jobs:
            _signal_group(job, signal.SIGINT)
        end = time.monotonic() + GRACE_SECONDS
        for job in self._jobs:
            try:
                job.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(job, signal.SIGKILL)
                job.process.wait()
            self._clean(job)
            self._record(Result(job.check, False, time.monotonic() - job.started, "interrupted", job.log))
        self._jobs.clear()

    def _clean(self, job: _Job) -> None:
        if job.check.cleanup is None:
            return
        with job.log.open("ab") as output:
            subprocess.run(
                ["bash", "-c", job.check.cleanup],
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=300,
                check=False,
            )


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """An interruption between a start and its entry in the list would leave a check running, and out of the table."""
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


def _heed_interrupts() -> None:
    """A shell's background job ignores SIGINT, and so would all that it starts; a check has to be stoppable."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)


def _signal_group(job: _Job, number: signal.Signals) -> None:
    """Signal the check and all it started; nothing happens if they are gone."""
    try:
        os.killpg(job.process.pid, number)
    except ProcessLookupError:
        pass
