# Starts the real ansible-rulebook on the collection as it is installed from its tarball.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager
from ansible_collections.aidc.ops.tests.fakes.controller import NODES, Controller

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent

# Nothing that these tests start may reboot or reset anything: their "nodes" are this machine.
MODES = {"contain": "act", "reset": "approve", "reboot": "approve", "restart_service": "approve", "resume": "approve"}


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections directory with the built and installed collection, and nothing of the checkout."""
    base = tmp_path_factory.mktemp("collections")
    galaxy = [str(TOOLS / "ansible-galaxy"), "collection"]
    environment = {**os.environ, "ANSIBLE_HOME": str(base / "home"), "ANSIBLE_COLLECTIONS_PATH": str(base)}
    subprocess.run(
        [*galaxy, "build", str(ROOT), "--output-path", str(base)], env=environment, check=True, capture_output=True
    )
    (tarball,) = base.glob("aidc-ops-*.tar.gz")
    subprocess.run(
        [*galaxy, "install", str(tarball), "--offline", "--no-deps", "--collections-path", str(base)],
        env=environment,
        check=True,
        capture_output=True,
        cwd=base,
    )
    return base


class Loop:
    """The rulebook process, its controller and its Alertmanager."""

    def __init__(
        self,
        root: Path,
        collections: Path,
        server: FakeAlertmanager,
        names: t.Sequence[str] = NODES,
        **settings: t.Any,
    ) -> None:
        self.alertmanager = server
        settings["gate"] = {"modes": MODES, **settings.get("gate", {})}
        self.controller = Controller(root, [server.url], names, **settings)
        (root / "tickets").mkdir()
        (root / "tmp").mkdir()
        self._root, self._collections = root, collections
        self._process: subprocess.Popen[bytes] | None = None
        self.inventory({})

    def inventory(self, variables: dict[str, t.Any]) -> None:
        """Write the inventory; its nodes are this machine."""
        folder = self._root / "inventory"
        folder.mkdir(exist_ok=True)
        content = {
            "all": {
                "hosts": {name: {} for name in self.controller.names},
                "vars": {
                    "ansible_connection": "local",
                    "ansible_python_interpreter": sys.executable,
                    "remediation_gpu_python": sys.executable,
                    "remediation_evidence_commands": [{"name": "uptime", "argv": ["uptime"]}],
                    **variables,
                },
            }
        }
        (folder / "hosts.yml").write_text(yaml.safe_dump(content))

    def environment(self) -> dict[str, str]:
        """What the service unit sets."""
        environment = {
            "PATH": f"{TOOLS}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._root),
            "TMPDIR": str(self._root / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self._collections),
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "AIDC_OPS_CONFIG": str(self.controller.config),
            "AIDC_OPS_QUIESCE_FILE": str(self._root / "quiesce"),
            "AIDC_OPS_CASE_RUN": "1",
            "AIDC_OPS_PARALLEL_RUNS": "2",
            "DROOLS_JPY_JVM_MAXMEM": "128M",
        }
        environment.update({name: value for name, value in os.environ.items() if name == "JAVA_HOME"})
        return environment

    def arguments(self) -> list[str]:
        """Which rulebook, and on what."""
        return ["--rulebook", "aidc.ops.remediation", "--inventory", str(self._root / "inventory")]

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(TOOLS / "ansible-rulebook"), *self.arguments(), "--execution-strategy", "parallel", "-m", "2"],
                env=self.environment(),
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log_path(self) -> Path:
        return self._root / "rulebook.log"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the main process alone and wait for its end."""
        self.process.send_signal(number)
        self.process.wait(timeout=30)

    def sweep(self) -> None:
        """Kill what the rulebook left behind, as systemd does with the service's control group."""
        mark = f"AIDC_OPS_CONFIG={self.controller.config}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        os.kill(int(entry.name), signal.SIGKILL)
                except (OSError, ProcessLookupError):
                    continue

    def until(self, what: str, check: t.Callable[[], t.Any], seconds: float = 120) -> t.Any:
        """Wait until *check* gives something true, and return it; the log is in the failure."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            assert self.process.poll() is None, f"the rulebook ended\n{self.log_path.read_text()[-5000:]}"
            if value := check():
                return value
            time.sleep(0.1)
        pytest.fail(f"waited {seconds} s for {what}\n{self.log_path.read_text()[-8000:]}")

    def ready(self) -> None:
        """Wait until all sources beat."""
        self.until("the sources", lambda: {"kernel_log", "alertmanager"} <= set(self.controller.ledger().heartbeats()))

    def in_state(self, case_id: int, state: str) -> t.Callable[[], bool]:
        def check() -> bool:
            return any(case.id == case_id and case.state == state for case in self.controller.ledger().cases())

        return check

    def kinds(self, case_id: int) -> list[tuple[str, str | None]]:
        """Kind and step of everything that happened to the case."""
        return [(event.kind, event.step) for event in self.controller.ledger().timeline(case_id)]

    def peak_mib(self) -> float:
        """The most memory that the process ever had, the Java machine in it."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self.sweep()


@pytest.fixture
def make_loop(tmp_path: Path, collections: Path) -> t.Iterator[t.Callable[..., Loop]]:
    """Makes the one loop of a test, with settings of its own."""
    made: list[Loop] = []

    def make(collections: Path = collections, **settings: t.Any) -> Loop:
        made.append(Loop(tmp_path, collections, server, **settings))
        return made[0]

    with FakeAlertmanager() as server:
        yield make
        for loop in made:
            loop.end()


@pytest.fixture
def loop(make_loop: t.Callable[..., Loop]) -> Loop:
    return make_loop()
