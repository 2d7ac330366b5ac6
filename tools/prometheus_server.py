# A real Prometheus for tests and benchmarks, on a free loopback port, with nothing installed on the machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of Debian's package are used where they are installed. Elsewhere the package is downloaded and unpacked
below .cache: installing it would start a server on the machine of whoever runs the tests.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from server_process import ServerProcess

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
# The package that has a program, by the program's name.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}
NO_TARGETS = "global: {}\nscrape_configs: []\n"


class PrometheusServerError(Exception):
    """Prometheus cannot be had, filled or started; the message says why."""


def program(name: str) -> Path:
    """Path of a program of PACKAGES."""
    installed = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if installed:
        return Path(installed)
    package = PACKAGES[name]
    folder = CACHE / package
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = folder / "complete"
        if not unpacked.exists():
            _unpack(package, unpacked)
    return unpacked / "usr" / "bin" / name


def _unpack(package: str, target: Path) -> None:
    """Download and unpack a package; the folder gets its name when it is whole."""
    unfinished = target.parent / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    download = ["apt-get", "download", package]
    done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
    if done.returncode and os.geteuid() == 0:
        # A machine that never asked for its package lists.
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=False)
        done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
    packages = list(unfinished.glob("*.deb"))
    if done.returncode or len(packages) != 1:
        raise PrometheusServerError(
            f"the program is not here, and the package {package} cannot be downloaded: {done.stderr.strip()}"
        )
    subprocess.run(["dpkg-deb", "-x", packages[0].name, "."], cwd=unfinished, check=True)
    packages[0].unlink()
    unfinished.rename(target)


class PrometheusServer(ServerProcess):
    """One server whose files are below *folder*. Fill it first, then start it; use it with ``with``."""

    name = "prometheus"
    error = PrometheusServerError

    def __init__(self, folder: Path, flags: Sequence[str] = (), config: str = NO_TARGETS, scheme: str = "http") -> None:
        super().__init__(folder)
        self.data = folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.config = folder / "prometheus.yml"
        self.config.write_text(config, encoding="utf-8")
        self._flags = list(flags)
        self._scheme = scheme
        self.port = _free_port()
        # Another build of the server than the one of program(), for a test of two.
        self.binary: Path | None = None

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def fill(self, openmetrics: Path) -> None:
        """Write the samples of an OpenMetrics file, each with its own time, into the database."""
        line = [str(program("promtool")), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        done = subprocess.run([*line, str(openmetrics), str(self.data)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PrometheusServerError(f"promtool cannot read {openmetrics}: {done.stderr.strip()[-1000:]}")

    def start(self, seconds: float = 60) -> PrometheusServer:
        """Start it and wait until it answers queries."""
        line = [
            str(self.binary or program("prometheus")),
            f"--config.file={self.config}",
            f"--storage.{'agent' if '--enable-feature=agent' in self._flags else 'tsdb'}.path={self.data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
            *self._flags,
        ]
        self.launch(line, seconds)
        return self

    def answers(self) -> bool:
        if self._scheme != "http":
            # Certificates and logins are what such a test is about; an open port is all that can be asked here.
            with socket.socket() as probe:
                probe.settimeout(1)
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 200)
        except urllib.error.HTTPError as exc:
            return exc.code == 401
        except (urllib.error.URLError, OSError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
