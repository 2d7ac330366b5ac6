# The command aidc-run: ansible-playbook, with an alert when the run ends in a way that no callback sees.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Installed by the role to /opt/aidc_ops/aidc_run.py, and the wrapper aidc-run to /usr/local/bin, as aidc_cases.py is.
"""All arguments go to ansible-playbook, and its exit status comes back (128 + n where signal n has ended it).

A syntax error, a missing role, a limit that matches nothing and a killed run reach no callback plugin. This program
sees the end of every run that it has started, and posts the alert AnsibleRunNotStarted where the run ended with an
error that no callback has reported. The next good start of the same playbook resolves it.

Its settings are those of the callback aidc.ops.alerts: environment variables, or the section callback_aidc_ops_alerts
of ansible.cfg. Runs that only look (--check, --syntax-check, --list-hosts and the like) are none of its business.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path, PurePath

# Behind everything else, so that an environment that has the collection elsewhere wins.
sys.path.append("/opt/aidc_ops/collections")

ALERT_NAME = "AnsibleRunNotStarted"
FAULT_CLASS = "ansible_run_not_started"
SECTION = "callback_aidc_ops_alerts"
BUDGET_SECONDS = 2.0
POLL_SECONDS = 0.5
RECORD_VARIABLE = "AIDC_OPS_RUN_RECORD"

LOOKING = frozenset(("-C", "--check", "--syntax-check", "--list-hosts", "--list-tasks", "--list-tags", "--version"))
HELPING = frozenset(("-h", "--help"))
# Options of ansible-playbook with a value of their own; a unit test compares them with its parser.
VALUED = frozenset(
    """
    -c --connection -e --extra-vars -f --forks -i --inventory --inventory-file -l --limit -M --module-path
    -t --tags -T --timeout -u --user --become-method --become-password-file --become-pass-file --become-user
    --connection-password-file --conn-pass-file --private-key --key-file --scp-extra-args --sftp-extra-args
    --skip-tags --ssh-common-args --ssh-extra-args --start-at-task --vault-id --vault-password-file --vault-pass-file
    """.split()  # noqa: SIM905 (a list of them would be 35 lines)
)

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(argv: t.Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    program = find_program()
    if program is None:
        print("aidc-run: there is no ansible-playbook beside this Python, nor in PATH", file=sys.stderr)
        return 127
    if only_looks(arguments):
        os.execv(program, [program, *arguments])  # noqa: S606
    handle, record = tempfile.mkstemp(prefix="aidc-run-")
    os.close(handle)
    try:
        return _run(program, arguments, record)
    finally:
        os.unlink(record)


def find_program() -> str | None:
    """Return ansible-playbook: the one told, the one of this Python, or the first in PATH that is not this program."""
    told = os.environ.get("AIDC_OPS_ANSIBLE_PLAYBOOK")
    if told:
        return told
    beside = Path(sys.executable).with_name("ansible-playbook")
    if os.access(str(beside), os.X_OK):
        return str(beside)
    return shutil.which("ansible-playbook")


def only_looks(arguments: t.Sequence[str]) -> bool:
    """Say whether the run changes nothing, so that its end is of no interest but to who has started it."""
    return any(option in LOOKING or option in HELPING for option in options_of(arguments)[0])


def options_of(arguments: t.Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options of ansible-playbook without their values, and the playbooks."""
    options, playbooks = [], []
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            playbooks += list(rest)
        elif word.startswith("--"):
            name, equals, _value = word.partition("=")
            options.append(name)
            if name in VALUED and not equals:
                next(rest, None)
        elif word.startswith("-") and len(word) > 1:
            # Letters in one word: the first with a value takes what is left of it, or the next word.
            for position, letter in enumerate(word[1:], 1):
                options.append(f"-{letter}")
                if f"-{letter}" in VALUED:
                    if position == len(word) - 1:
                        next(rest, None)
                    break
        else:
            playbooks.append(word)
    return options, playbooks


def _run(program: str, arguments: list[str], record: str) -> int:
    # Blocked here, so that none is lost between two waits; the child gets them all.
    signal.pthread_sigmask(signal.SIG_BLOCK, [*PASSED_ON, signal.SIGCHLD])
    try:
        child = subprocess.Popen(
            [program, *arguments],
            env={**os.environ, RECORD_VARIABLE: record},
            # Safe here, for there is no thread yet.
            preexec_fn=_unblock,
        )
        reporter = Reporter(record, arguments)
        try:
            while child.poll() is None:
                _wait(child)
                reporter.look()
        except BaseException:
            child.kill()
            raise
        reporter.finish(child.returncode)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*PASSED_ON, signal.SIGCHLD])
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [*PASSED_ON, signal.SIGCHLD])


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Wait a moment for a signal, and pass it on to the run unless it is about its end."""
    caught = signal.sigtimedwait([*PASSED_ON, signal.SIGCHLD], POLL_SECONDS)
    # What the kernel sends (the keys of a terminal, its end) goes to all of the group: the run has got it already.
    if caught is not None and caught.si_signo != signal.SIGCHLD and caught.si_code <= 0 and child.poll() is None:
        child.send_signal(caught.si_signo)


class Reporter:
    """Reads how far the run came, and tells the Alertmanagers."""

    def __init__(self, record: str, arguments: t.Sequence[str]) -> None:
        self._record = record
        self._playbooks = options_of(arguments)[1]
        self._events: list[dict[str, t.Any]] = []
        self._read_bytes = 0
        self._resolving: threading.Thread | None = None

    def look(self) -> None:
        """Resolve as soon as the first play begins: a run of hours must not look as if it had not started."""
        if self._resolving is None:
            self._read()
            if any(event.get("event") == "play" for event in self._events):
                self._resolve()

    def finish(self, status: int) -> None:
        """Raise or resolve, with the exit status of the run (negative: the signal that has ended it)."""
        self._read()
        reported = any(event.get("event") == "end" and event.get("failed") for event in self._events)
        if status != 0 and not reported:
            # After the resolve, if there is one, or it would end this alert.
            self._join()
            self._tell(lambda client: [(url, [self._alert(client, status)]) for url in client.urls])
        elif self._resolving is None:
            self._resolve()
        self._join()

    def _read(self) -> None:
        try:
            with open(self._record, "rb") as file:
                file.seek(self._read_bytes)
                content = file.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                self._events.append(event)

    def _playbook(self) -> str:
        for event in reversed(self._events):
            if isinstance(event.get("playbook"), str):
                return t.cast(str, event["playbook"])
        return label_of(self._playbooks[0]) if self._playbooks else "unknown"

    def _alert(self, client: Client, status: int) -> dict[str, t.Any]:
        playbook, now = self._playbook(), time.time()
        began = "began but came to no end" if self._events else "did not begin"
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return {
            "labels": {
                "alertname": ALERT_NAME,
                "fault_class": FAULT_CLASS,
                "instance": client.controller,
                "playbook": playbook,
                "severity": client.severity,
            },
            "annotations": {
                "summary": f"The playbook {playbook} {began} on {client.controller}",
                "description": f"ansible-playbook ended with {how}, and no callback reported a result.",
            },
            "startsAt": client.format_time(now),
            "endsAt": client.format_time(now + client.expire_hours * 3600),
        }

    def _resolve(self) -> None:
        # A daemon: an Alertmanager that does not answer must not keep the status from whoever waits for it.
        self._resolving = threading.Thread(target=lambda: self._tell(self._resolved), daemon=True)
        self._resolving.start()

    def _resolved(self, client: Client) -> list[tuple[str, list[dict[str, t.Any]]]]:
        wanted = {"alertname": ALERT_NAME, "playbook": self._playbook(), "instance": client.controller}
        found = []
        for url in client.urls:
            matchers = [f'alertname="{ALERT_NAME}"', f'fault_class="{FAULT_CLASS}"']
            active = client.call(client.fetch_alerts, url, client.left(), matchers, client.access, True) or []
            ended = [
                {"labels": alert["labels"], "startsAt": alert["startsAt"], "endsAt": client.format_time(time.time())}
                for alert in active
                if wanted.items() <= alert.get("labels", {}).items()
            ]
            if ended:
                found.append((url, ended))
        return found

    def _join(self) -> None:
        if self._resolving is not None:
            self._resolving.join(BUDGET_SECONDS)

    @staticmethod
    def _tell(make: t.Callable[[Client], list[tuple[str, list[dict[str, t.Any]]]]]) -> None:
        """Post to each URL what *make* gives for it; say once what went wrong."""
        problems: list[str] = []

        def work() -> None:
            try:
                client = Client(problems)
                for url, alerts in make(client):
                    client.call(client.post_alerts, url, alerts, client.left(), client.access)
            except Exception as exc:
                problems.append(f"{type(exc).__name__}: {exc}")

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        worker.join(BUDGET_SECONDS)
        if worker.is_alive():
            problems.append(f"no answer within {BUDGET_SECONDS:g} s")
        if problems:
            print(f"aidc-run: not every Alertmanager was told: {'; '.join(problems)}", file=sys.stderr)


class Client:
    """The Alertmanagers, as the callback's settings describe them. What goes wrong is added to *problems*."""

    def __init__(self, problems: list[str]) -> None:
        # Only here: nothing of it is needed while the run goes on.
        from ansible_collections.aidc.ops.plugins.plugin_utils import _alertmanager, _http

        self.fetch_alerts, self.post_alerts = _alertmanager.fetch_alerts, _alertmanager.post_alerts
        self.format_time = _alertmanager.format_time
        self._problems = problems
        self._give_up_at = time.monotonic() + BUDGET_SECONDS
        option = settings()
        self.urls = [url.strip() for url in option("urls", "AIDC_OPS_ALERTMANAGER_URLS").split(",") if url.strip()]
        self.controller = option("controller_name", "AIDC_OPS_CONTROLLER_NAME") or os.uname().nodename
        self.severity = option("severity", "AIDC_OPS_RUN_ALERT_SEVERITY") or "medium"
        self.expire_hours = int(option("expire_hours", "AIDC_OPS_RUN_ALERT_EXPIRE_HOURS") or 720)
        self.access = _http.access_from(lambda name: option(name, f"AIDC_OPS_ALERTMANAGER_{name.upper()}"))

    def left(self) -> float:
        """Seconds for the next request, so that each of the URLs gets its turn."""
        return max(0.05, (self._give_up_at - time.monotonic()) / max(1, len(self.urls)))

    def call(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Return what *work* gives, or None and a problem more if it raises."""
        try:
            return work(*arguments)
        except Exception as exc:
            self._problems.append(str(exc))
            return None


def settings() -> t.Callable[[str, str], str]:
    """Return a function that looks up an option by its name in ansible.cfg and its environment variable."""
    import configparser

    from ansible.config.manager import find_ini_config_file

    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    path = find_ini_config_file()
    if path:
        parser.read(path, encoding="utf-8")

    def option(name: str, variable: str) -> str:
        value = os.environ.get(variable)
        if value is not None:
            return value
        value = parser.get(SECTION, name, fallback="").strip()
        if path and value and name.endswith(("_file", "_cert", "_key")):
            # As Ansible does with paths in its configuration.
            return os.path.join(os.path.dirname(os.path.abspath(os.fsdecode(path))), os.path.expanduser(value))
        return value

    return option


def label_of(path: str) -> str:
    """Return the name of a playbook as the callbacks have it, for a run that never got as far as to say it."""
    if path.count(".") >= 2 and "/" not in path and not path.endswith((".yml", ".yaml")):
        # A playbook of a collection, by its full name.
        return path[:128]
    parts = PurePath(os.path.abspath(path)).parts
    stem = PurePath(path).stem
    if "ansible_collections" in parts:
        inside = parts[parts.index("ansible_collections") + 1 :]
        if len(inside) > 3 and inside[2] == "playbooks":
            stem = ".".join([inside[0], inside[1], stem])
    return "".join(c if c.isprintable() else " " for c in stem)[:128] or "unknown"


if __name__ == "__main__":
    sys.exit(main())
