# Stores the lines that a collector received in PostgreSQL, as the program of rsyslog's module omprog.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: log_store.py DSN

rsyslog writes BEGIN, one JSON object a line ({"sender": address, "message": text}), COMMIT; a line is answered with
DEFER_COMMIT, and COMMIT with OK when the database has it. Any other answer lets rsyslog keep the whole batch and
try it again, so nothing is lost while the database is away, and nothing is stored in part. What a node sends is data:
it becomes rows of one COPY, never part of a statement, and no content can make a row that the database refuses.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import sys
from typing import Any, BinaryIO, TextIO

BEGIN, COMMIT = b"BEGIN", b"COMMIT"
UTC = datetime.timezone.utc
COLUMNS = ("stored", "time", "node", "sender", "severity", "facility", "program", "pid", "line")
LIMITS = {"node": 255, "sender": 64, "facility": 32, "program": 255, "pid": 32, "line": 60000}
# A clock that is ahead by more is wrong, and its lines would be looked for in days to come.
AHEAD = datetime.timedelta(hours=1)
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


def row(received: bytes, now: datetime.datetime) -> dict[str, str]:
    """What one received line becomes in the table; it has every column, whatever was received."""
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
    made = {name: UNSTORABLE.sub("?", value)[: LIMITS[name]] for name, value in made.items()}
    made["severity"] = str(SEVERITIES.get(str(fields.get("severity")), INFO))
    made["stored"] = now.isoformat()
    made["time"] = when(fields.get("time"), now).isoformat()
    return made


def copy_text(rows: list[dict[str, str]]) -> str:
    """Rows in the text format of COPY."""
    return "".join("\t".join(row[name].translate(ESCAPES) for name in COLUMNS) + "\n" for row in rows)


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
                cursor.copy_expert(f"COPY log_lines ({', '.join(COLUMNS)}) FROM STDIN", io.StringIO(text))
            self._day = now.date()
        except BaseException:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise


def answer(sink: TextIO, text: str) -> None:
    """One line to rsyslog; a failure must stay on one line."""
    sink.write(" ".join(text.split())[:300] + "\n")
    sink.flush()


def serve(store: Any, source: BinaryIO, sink: TextIO) -> None:
    """Answer rsyslog until it closes the input."""
    # The first answer says that this program is ready.
    answer(sink, "OK")
    batch: list[bytes] = []
    for line in iter(source.readline, b""):
        word = line.rstrip(b"\n")
        if word == BEGIN:
            batch = []
            answer(sink, "OK")
        elif word == COMMIT:
            try:
                if batch:
                    store.write(batch)
                answer(sink, "OK")
            except Exception as exc:
                # Whatever it is, rsyslog keeps the lines and tries again.
                answer(sink, f"not stored: {type(exc).__name__}: {exc}")
            batch = []
        else:
            batch.append(line)
            answer(sink, "DEFER_COMMIT")


def main(arguments: list[str]) -> int:
    """Entry point of the program."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    serve(Store(arguments[0]), sys.stdin.buffer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
