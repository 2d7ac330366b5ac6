# Searches the log lines of all nodes in the collector's database and prints a table.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is looked for travels beside the statement as a value, and the connection may only read. Control
characters and other marks that would move a reader's cursor are not printed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pwd
import re
import sys
import unicodedata
from typing import Any

UTC = datetime.timezone.utc
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
SPAN = re.compile(r"(\d{1,6})([smhdw])\Z")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
COLUMNS = ("time", "node", "severity", "program", "line")
COUNTED = ("node", "program", "severity")
MOST = 10000
# A line waits in a queue before it is stored, never the other way round; clocks of nodes are at most this much ahead.
AHEAD = datetime.timedelta(hours=1)


def when(text: str, now: datetime.datetime) -> datetime.datetime:
    """A time: 90m, 24h or 7d ago, or an ISO 8601 time, UTC unless it says otherwise; ValueError with what is wrong."""
    span = SPAN.match(text)
    try:
        if span:
            return now - datetime.timedelta(seconds=int(span.group(1)) * SECONDS[span.group(2)])
        time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r:.80} is no time: give for instance 90m, 24h, 7d, 2026-01-31 or 2026-01-31T12:00:00"
        ) from None


def pattern(text: str) -> str:
    """The pattern of LIKE that finds a text anywhere, whatever characters it holds."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def question(options: argparse.Namespace, now: datetime.datetime) -> tuple[str, list[Any]]:
    """The statement and its values; the statement holds nothing of what was asked for."""
    since = when(options.since, now)
    until = when(options.until, now) if options.until else now + AHEAD
    if since >= until:
        raise ValueError(f"since ({since.isoformat()}) has to be before until ({until.isoformat()})")
    conditions = ["stored >= %s", "time >= %s", "time < %s"]
    values: list[Any] = [since - AHEAD, since, until]
    if options.node:
        conditions.append("node = ANY(%s)")
        values.append(options.node)
    if options.program:
        conditions.append("program = ANY(%s)")
        values.append(options.program)
    if options.severity:
        conditions.append("severity <= %s")
        values.append(SEVERITIES.index(options.severity))
    for text in options.text:
        conditions.append("line ILIKE %s")
        values.append(pattern(text))
    where = " AND ".join(conditions)
    if options.count_by:
        column = COUNTED[COUNTED.index(options.count_by)]
        columns, order = f"{column}, count(*), max(time)", "GROUP BY 1 ORDER BY 2 DESC, 1"
    else:
        columns, order = ", ".join(COLUMNS), "ORDER BY time DESC"
    # Every part of it stands above.
    return f"SELECT {columns} FROM log_lines WHERE {where} {order} LIMIT %s", [*values, options.limit]  # noqa: S608


def clean(text: str) -> str:
    """A text without characters that do something instead of showing something."""
    return "".join(
        "?" if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else letter for letter in text
    )


def shown(found: list[tuple[Any, ...]], counted: str) -> list[dict[str, Any]]:
    """The answer of the database, the oldest line first, as it is printed as JSON."""
    made = []
    for values in found:
        row = dict(zip((counted, "lines", "last") if counted else COLUMNS, values))
        for name, value in row.items():
            if name == "severity":
                row[name] = SEVERITIES[value]
            elif isinstance(value, datetime.datetime):
                row[name] = value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            elif isinstance(value, str):
                row[name] = clean(value)
        made.append(row)
    return made if counted else made[::-1]


def table(rows: list[dict[str, Any]], limit: int) -> str:
    """The rows as text; the last column is as long as it is."""
    if not rows:
        return "No line was found."
    names = list(rows[0])
    cells = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [min(max(len(row[column]) for row in cells), 40) for column in range(len(names) - 1)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip() for row in cells]
    if len(rows) == limit:
        lines.append(
            f"These are the last {limit} that were found; there may be more. Ask for less, or raise the limit."
        )
    return "\n".join(lines)


def ask(dsn: str, statement: str, values: list[Any], seconds: int) -> list[tuple[Any, ...]]:
    """The rows of the database."""
    import psycopg2

    connection = psycopg2.connect(dsn, connect_timeout=10, options=f"-c statement_timeout={seconds * 1000}")
    connection.set_session(readonly=True, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def become(name: str) -> None:
    """Root is nobody to the database: go on as the user whose lines they are."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(name)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser(prog="aidc-logs", description="Search the log lines of all nodes.")
    made.add_argument("--node", action="append", default=[], help="only of this node (may be repeated)")
    made.add_argument("--since", default="1h", help="90m, 24h, 7d ago or an ISO 8601 time (default 1h)")
    made.add_argument("--until", default="", help="the same (default now)")
    made.add_argument("--severity", choices=SEVERITIES, help="this severity and what is worse")
    made.add_argument(
        "--program", action="append", default=[], help="only of this program, for instance kernel (may be repeated)"
    )
    made.add_argument(
        "--text", action="append", default=[], help="lines with this text, whatever its case (repeated: with all)"
    )
    made.add_argument("--count-by", choices=COUNTED, help="how many lines, in place of the lines")
    made.add_argument("--limit", type=int, default=200, help=f"the last so many, up to {MOST} (default 200)")
    made.add_argument("--timeout", type=int, default=30, help="seconds the database may take (default 30)")
    made.add_argument("--json", action="store_true", help="print JSON, not a table")
    made.add_argument("--dsn", default="dbname=aidc_logs", help=argparse.SUPPRESS)
    made.add_argument("--user", default="aidc_logs", help=argparse.SUPPRESS)
    return made


def main(argv: list[str]) -> int:
    """Entry point of the program."""
    options = parser().parse_args(argv)
    try:
        if not 1 <= options.limit <= MOST or not 1 <= options.timeout <= 3600:
            raise ValueError(f"limit goes from 1 to {MOST}, timeout from 1 to 3600")
        if any("\0" in text for text in [*options.node, *options.program, *options.text]):
            raise ValueError("no line holds a NUL character")
        statement, values = question(options, datetime.datetime.now(UTC))
        import psycopg2

        if options.user:
            become(options.user)
    except (ValueError, KeyError, OSError, ImportError) as exc:
        print(f"aidc-logs: {exc}", file=sys.stderr)
        return 2
    try:
        found = ask(options.dsn, statement, values, options.timeout)
    except psycopg2.Error as exc:
        print(f"aidc-logs: the database did not answer: {clean(' '.join(str(exc).split()))}", file=sys.stderr)
        return 1
    rows = shown(found, options.count_by or "")
    print(json.dumps(rows) if options.json else table(rows, options.limit))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        # Somebody looked at the first lines only.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
