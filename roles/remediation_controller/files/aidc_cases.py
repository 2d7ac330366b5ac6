# The command aidc-cases: look at remediation cases, and be the person that the loop waits for.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Works on the ledger that the settings file names. Exit status: 0 done, 1 nothing changed or not so, 2 an error."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import pwd
import socket
import sys
import time
import typing as t
from datetime import datetime, timezone

# Behind everything else, so that an environment that has the collection elsewhere wins.
sys.path.append("/opt/aidc_ops/collections")

from ansible_collections.aidc.ops.plugins.module_utils._cases import settings as settings_module
from ansible_collections.aidc.ops.plugins.module_utils._cases.holder import is_alive
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import OPEN, Case
from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, SettingsError

HEARTBEAT_FRESH_SECONDS = 30.0
FAILURE_ALERT_SECONDS = 3600.0
POST_SECONDS = 5.0


def main(argv: t.Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except AidcOpsError as exc:
        print(f"aidc-cases: {exc}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (a pager, head) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aidc-cases", description="Remediation cases of aidc.ops.")
    default = os.environ.get(settings_module.PATH_VARIABLE) or settings_module.DEFAULT_PATH
    parser.add_argument("--config", default=default, help="settings file (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: t.Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    command = add("list", _list, "list the cases")
    command.add_argument("--state", help="only cases in this state")
    command.add_argument("--json", action="store_true", help="print JSON")
    for name, run, text in (
        ("show", _show, "show one case"),
        ("timeline", _timeline, "show everything that happened to a case"),
    ):
        command = add(name, run, text)
        command.add_argument("case_id", type=int)
        command.add_argument("--json", action="store_true", help="print JSON")
    for name, run, text in (
        ("approve", _approve, "say yes to the next step of a held case"),
        ("cancel", _cancel, "close a case without doing more; its node stays as it is"),
    ):
        command = add(name, run, text)
        command.add_argument("case_id", type=int)
    add("pause", _pause, "stop all actions of the loop at once; it goes on recording")
    add("resume", _resume, "let a paused loop act again")
    add("rearm", _rearm, "re-arm the breaker that repeated failures have tripped")
    command = add("status", _status, "show pause, breaker and the heartbeats of the sources")
    command.add_argument(
        "--require", action="append", default=[], metavar="SOURCE", help="fail unless its heartbeat is fresh"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command = add(
        "quiesce", _quiesce, "start no more runs and wait for the running ones (the service does so when it stops)"
    )
    command.add_argument("--seconds", type=float, default=300.0, help="wait at most so long (default: %(default)s)")
    command = add("bmc-context", _bmc_context, "print the context that the BMC of a node is given for its subscription")
    command.add_argument("node")
    command = add("report-failure", _report_failure, "tell every Alertmanager that a service has failed")
    command.add_argument("unit")
    command.add_argument("--controller", default=socket.gethostname(), help="name of this control node in the alert")
    command.add_argument(
        "--unless-success", action="store_true", help="not if systemd says that the service ended well (SERVICE_RESULT)"
    )
    command = add("check-config", _check_config, "check a settings file")
    command.add_argument("path")
    return parser


def _open(args: argparse.Namespace, read_only: bool = False) -> Ledger:
    settings = settings_module.load_settings(args.config)
    return Ledger(settings.ledger, read_only=read_only, password_file=settings.ledger_password_file)


def _who() -> str:
    """The person at the keyboard, also behind sudo."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def _when(moment: float | None) -> str:
    return "-" if moment is None else datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _plain(text: object) -> str:
    """Foreign text without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def _dump(value: t.Any) -> int:
    print(json.dumps(value, indent=2, sort_keys=True))
    return 0


def _table(rows: t.Sequence[t.Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _list(args: argparse.Namespace) -> int:
    cases = _open(args, read_only=True).cases(args.state)
    if args.json:
        return _dump([case.as_dict() for case in cases])
    rows = [("CASE", "NODE", "STATE", "STEP", "FAULT", "OPENED (UTC)", "CLOSED (UTC)")]
    rows += [
        (str(c.id), c.node, c.state, c.step or "-", ",".join(c.fault_classes), _when(c.opened_at), _when(c.closed_at))
        for c in cases
    ]
    _table(rows)
    return 0


def _show(args: argparse.Namespace) -> int:
    case: Case = _open(args, read_only=True).case(args.case_id)
    if args.json:
        return _dump(case.as_dict())
    fields = case.as_dict()
    for name in ("opened_at", "updated_at", "closed_at", "due_at", "lease_expires_at"):
        fields[name] = _when(fields[name])
    _table([(name, _plain(", ".join(value) if isinstance(value, list) else value)) for name, value in fields.items()])
    return 0


def _timeline(args: argparse.Namespace) -> int:
    events = _open(args, read_only=True).timeline(args.case_id)
    if args.json:
        return _dump(
            [{"at": e.at, "kind": e.kind, "step": e.step, "text": e.text, "detail": dict(e.detail)} for e in events]
        )
    start = events[0].at if events else 0.0
    rows = [("SECONDS", "KIND", "STEP", "TEXT")]
    rows += [(f"{e.at - start:.3f}", e.kind, e.step or "-", _plain(e.text)) for e in events]
    _table(rows)
    return 0


def _changed(changed: bool, done: str, same: str) -> int:
    print(done if changed else same)
    return 0 if changed else 1


def _approve(args: argparse.Namespace) -> int:
    return _changed(_open(args).approve(args.case_id, _who()), "approved", "there was nothing to approve")


def _cancel(args: argparse.Namespace) -> int:
    return _changed(_open(args).cancel(args.case_id, _who()), "cancelled", "the case was closed already")


def _pause(args: argparse.Namespace) -> int:
    return _changed(_open(args).pause(True, _who()), "paused: the loop records, and does nothing", "paused already")


def _resume(args: argparse.Namespace) -> int:
    return _changed(_open(args).pause(False, _who()), "the loop acts again", "it was not paused")


def _rearm(args: argparse.Namespace) -> int:
    return _changed(_open(args).rearm(_who()), "the breaker is armed again", "the breaker had not tripped")


def _status(args: argparse.Namespace) -> int:
    ledger = _open(args, read_only=True)
    controls, heartbeats, now = ledger.controls(), ledger.heartbeats(), time.time()
    if args.json:
        _dump({"controls": controls, "heartbeats": heartbeats, "now": now})
    else:
        rows = [(f"heartbeat {name}", f"{now - at:.1f} s ago") for name, at in sorted(heartbeats.items())]
        rows += [("paused", _plain(controls["paused_by"] or "no")), ("breaker", _plain(controls["breaker"] or "armed"))]
        _table(rows)
    stale = [name for name in args.require if now - heartbeats.get(name, 0.0) > HEARTBEAT_FRESH_SECONDS]
    if stale:
        print(f"aidc-cases: no fresh heartbeat of {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


def _quiesce(args: argparse.Namespace) -> int:
    flag = os.environ.get("AIDC_OPS_QUIESCE_FILE")
    if not flag:
        print("aidc-cases: AIDC_OPS_QUIESCE_FILE is not set; stop the service instead, it does this", file=sys.stderr)
        return 2
    with open(flag, "w", encoding="utf-8"):
        pass
    _prolong_stop()
    ledger = _open(args, read_only=True)
    give_up_at = time.monotonic() + args.seconds
    told: list[int] = []
    while True:
        now = time.time()
        busy = [
            case.id
            for case in ledger.cases(OPEN)
            if case.lease_holder and (case.lease_expires_at or 0.0) > now and is_alive(case.lease_holder)
        ]
        if not busy:
            print("no run is working on a case")
            return 0
        if time.monotonic() > give_up_at:
            print(f"gave up waiting for the runs of cases {busy}; their steps are taken up again after the start")
            return 1
        if busy != told:
            print(f"waiting for the runs of cases {busy}", flush=True)
            told = busy
        _prolong_stop()
        time.sleep(0.5)


def _prolong_stop() -> None:
    """Ask systemd for 10 s more, in which to ask again: its time limit for a stop is shorter than a step may take."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            # A leading @ stands for the null byte of an abstract address.
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.send(b"EXTEND_TIMEOUT_USEC=10000000")


def _bmc_context(args: argparse.Namespace) -> int:
    settings = settings_module.load_settings(args.config)
    if args.node not in settings.nodes:
        raise SettingsError(f"{args.node} is not a node of the settings file")
    if settings.webhook.token_file is None:
        raise SettingsError("webhook.token_file is missing: nothing listens to BMCs")
    with open(settings.webhook.token_file, encoding="utf-8") as stream:
        secret = stream.readline().strip().encode()
    # As the event source computes it (extensions/eda, hook_bodies.context_of), which is no part of this program's path.
    proof = hmac.new(secret, b"redfish:" + args.node.encode(), hashlib.sha256).hexdigest()
    print(f"{args.node}:{proof}")
    return 0


def _report_failure(args: argparse.Namespace) -> int:
    if args.unless_success and os.environ.get("SERVICE_RESULT") == "success":
        return 0
    # Only here: it brings Ansible along.
    from ansible_collections.aidc.ops.plugins.plugin_utils._alertmanager import (
        AlertmanagerError,
        format_time,
        post_alerts,
    )
    from ansible_collections.aidc.ops.plugins.plugin_utils._http import access_from

    options = settings_module.load_settings(args.config).alertmanager
    access = access_from(lambda name: getattr(options, name, None))
    now = time.time()
    alert = {
        "labels": {
            "alertname": "RemediationServiceFailed",
            "instance": args.controller,
            "name": args.unit,
            "severity": "critical",
        },
        "annotations": {"summary": f"{args.unit} failed on {args.controller}; see journalctl -u {args.unit}"},
        "startsAt": format_time(now),
        "endsAt": format_time(now + FAILURE_ALERT_SECONDS),
    }
    failed = 0
    for url in options.urls:
        try:
            post_alerts(url, [alert], POST_SECONDS, access)
        except AlertmanagerError as exc:
            print(f"aidc-cases: {exc}", file=sys.stderr)
            failed = 2
    return failed


def _check_config(args: argparse.Namespace) -> int:
    settings_module.load_settings(args.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
