# Keeps what a child process found before it hung or died.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file without a name, made before the fork: the child writes a line for each value, the parent reads them."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t


class Kept:
    """Values that fit into JSON, in the order in which they were added. Closed as a context manager."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def add(self, value: t.Any) -> None:
        """Keep a value. It is there at once, whatever becomes of this process."""
        data = (json.dumps(value) + "\n").encode()
        while data:
            data = data[os.write(self._file.fileno(), data) :]

    def values(self) -> list[t.Any]:
        """Return what was kept; a value that was being written when its writer ended is left out."""
        size = os.fstat(self._file.fileno()).st_size
        whole = os.pread(self._file.fileno(), size, 0).rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.split(b"\n") if line]
