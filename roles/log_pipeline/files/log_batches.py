# The talk of a program with rsyslog's module omprog: batches of lines, each answered when it is done with.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rsyslog writes BEGIN, lines, COMMIT. A line is answered with DEFER_COMMIT, and COMMIT with OK when the batch is where
it shall be. Any other answer lets rsyslog keep the whole batch and try it again.
"""

from __future__ import annotations

from typing import Any, BinaryIO, TextIO

BEGIN, COMMIT = b"BEGIN", b"COMMIT"


def answer(sink: TextIO, text: str) -> None:
    """One line to rsyslog; a failure must stay on one line."""
    sink.write(" ".join(text.split())[:300] + "\n")
    sink.flush()


def serve(target: Any, failed: str, source: BinaryIO, sink: TextIO) -> None:
    """Give each batch to ``target.write`` until rsyslog closes the input; ``failed`` begins the answer to an error."""
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
                    target.write(batch)
                answer(sink, "OK")
            except Exception as exc:
                # Whatever it is, rsyslog keeps the lines and tries again.
                answer(sink, f"{failed}: {type(exc).__name__}: {exc}")
            batch = []
        else:
            batch.append(line)
            answer(sink, "DEFER_COMMIT")
