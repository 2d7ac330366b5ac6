# A server program that a test starts, waits for and stops.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and Alertmanager of tests have in common. A subclass starts its program and says when it answers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self


class ServerProcess:
    """One process whose files are below *folder*; use it with ``with``."""

    name: ClassVar[str]
    error: ClassVar[type[Exception]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def launch(self, line: Sequence[str], seconds: float) -> None:
        """Start the program and wait until it answers; its error with the end of its log if it does not."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(line, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        give_up_at = time.monotonic() + seconds
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.stop()
                raise self.error(f"{self.name} does not answer: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether the server is there."""
        raise NotImplementedError

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
