# Stores the lines that a collector received in PostgreSQL, as the program of rsyslog's module omprog.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: log_store.py DSN

Each line of a batch is one JSON object, {"sender": address, "message": text}. A batch is done with when the database
has it, so nothing is lost while that is away, and nothing is stored in part. A batch that comes again, because the
answer to it was lost, is known by the ids of its lines and not stored twice on one day. What a node sends is data: it
becomes rows of one COPY, never part of a statement, and no content can make a row that the database refuses.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import sys
from typing import Any

import log_batches

UTC = datetime.timezone.utc
COLUMNS = ("stored", "time", "node", "sender", "severity", "facility", "program", "pid", "line", "id")
LIMITS = {"node": 255, "sender": 64, "facility": 32, "program": 255, "pid": 32, "line": 60000}
# A clock that is ahead by more is wrong, and its lines would be looked for in days to come.
AHEAD = datetime.timedelta(hours=1)
ID = re.compile(r"[0-9A-Fa-f]{32}\Z")
# How COPY writes that a value is missing.
NONE = "\\N"
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
SEVERITIES = {str(number): number for number in range(8)}
INFO = 6


def when(text: Any, now: datetime.datetime) -> datetime.datetime:
    """The time a node gave to a line; the present one if it is none or lies in the future."""
    try:
        # Python before 3.11 does not know the Z.
        time = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return now
    return time if datetime.datetime(2000, 1, 1, tzinfo=UTC) <= time <= now + AHEAD else now


def row(received: bytes, now: datetime.datetime) -> dict[str, str | None]:
    """What one received line becomes in the table; it has every column, whatever was received.

    Only ``id`` may be None, of a line that is not from a sender of ours.
    """
    text = received.decode("utf-8", "replace").rstrip("\r\n")
    fields: dict[str, Any] = {}
    sender = ""
    try:
        outer = json.loads(text)
        sender = str(outer["sender"])
        text = str(outer["message"])
        inner = json.loads(text)
        if isinstance(inner, dict):
            fields = inner
    except (ValueError, TypeError, KeyError, RecursionError):
        # Not what our senders send: kept as it came, under the address it came from.
        pass
    made = {name: str(fields.get(name) or "") for name in ("node", "facility", "program", "pid", "line")}
    if not fields:
        made.update(node=sender, line=text)
    made["sender"] = sender
    known = str(fields.get("id") or "")
    return {
        **{name: UNSTORABLE.sub("?", value)[: LIMITS[name]] for name, value in made.items()},
        "severity": str(SEVERITIES.get(str(fields.get("severity")), INFO)),
        "stored": now.isoformat(),
        "time": when(fields.get("time"), now).isoformat(),
        "id": known if ID.match(known) else None,
    }


def copy_value(value: str | None) -> str:
    """One value in the text format of COPY."""
    return NONE if value is None else value.translate(ESCAPES)


def copy_text(rows: list[dict[str, str | None]]) -> str:
    """Rows in the text format of COPY."""
    return "".join("\t".join(copy_value(row[name]) for name in COLUMNS) + "\n" for row in rows)


class Store:
    """The database: connected when it is needed, and anew after every failure."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Any = None
        self._day: datetime.date | None = None

    def write(self, received: list[bytes]) -> None:
        """Store one batch in one transaction; any error is raised, and the connection forgotten."""
        import psycopg2

        try:
            if self._connection is None:
                self._connection = psycopg2.connect(self._dsn, connect_timeout=10)
                self._day = None
            now = datetime.datetime.now(UTC)
            with self._connection, self._connection.cursor() as cursor:
                if now.date() != self._day:
                    # The timer makes them ahead; this is for a server that slept over midnight.
                    cursor.execute("SELECT log_lines_make_day(%s)", (now.date(),))
                text = copy_text([row(line, now) for line in received])
                columns = ", ".join(COLUMNS)
                # COPY alone would refuse the batch for one line that is there already.
                cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS received (LIKE log_lines) ON COMMIT DELETE ROWS")
                cursor.copy_expert(f"COPY received ({columns}) FROM STDIN", io.StringIO(text))
                cursor.execute(
                    f"INSERT INTO log_lines ({columns}) SELECT {columns} FROM received"  # noqa: S608 - our own names
                    " ON CONFLICT DO NOTHING"
                )
            self._day = now.date()
        except BaseException:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise


def main(arguments: list[str]) -> int:
    """Entry point of the program."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    log_batches.serve(Store(arguments[0]), "not stored", sys.stdin.buffer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
