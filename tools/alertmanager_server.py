# A real Alertmanager for tests, on free loopback ports, with nothing installed on the machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Alertmanager reads its templates from /usr/share. Where the package is only unpacked, it sees the unpacked
files there, in a mount namespace of its own.
"""

from __future__ import annotations

import json
import os
import random
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_server import program
from server_process import ServerProcess


class AlertmanagerServerError(Exception):
    """Alertmanager cannot be started; the message says why."""


def _command() -> list[str]:
    """The words that start the program, before its own arguments."""
    path = program("prometheus-alertmanager")
    share = path.parents[1] / "share"
    if path.is_relative_to("/usr"):
        return [str(path)]
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    return [*namespace, "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', str(share), str(path)]


def _free_port() -> int:
    """A free port below those that the kernel gives to outgoing connections: members that are already up make many."""
    while True:
        port = random.randrange(20000, 30000)  # noqa: S311 - nobody has to be kept from guessing it
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class AlertmanagerServer(ServerProcess):
    """One server whose files are below *folder*; use it with ``with``. Peers are ``address:port`` of the gossip."""

    name = "alertmanager"
    error = AlertmanagerServerError

    def __init__(self, folder: Path, config: str, flags: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.config = folder / "alertmanager.yml"
        self.config.write_text(config, encoding="utf-8")
        self.port = _free_port()
        self.gossip = f"127.0.0.1:{_free_port()}"
        self.peers: list[str] = []
        self._flags = list(flags)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """The answer of the API below /api/v2/."""
        with urllib.request.urlopen(f"{self.url}/api/v2/{path}", timeout=30) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def post(self, path: str, body: Any) -> Any:
        """Send JSON to the API below /api/v2/, and return the answer."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/api/v2/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            return json.loads(answer.read() or b"null")

    def start(self, seconds: float = 120) -> AlertmanagerServer:
        """Start it and wait until it answers."""
        line = [
            *_command(),
            f"--config.file={self.config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--cluster.listen-address={self.gossip if self.peers else ''}",
            *(f"--cluster.peer={peer}" for peer in self.peers),
            *self._flags,
        ]
        self.launch(line, seconds)
        return self

    def answers(self) -> bool:
        try:
            self.get("status")
        except (urllib.error.URLError, OSError):
            return False
        return True
