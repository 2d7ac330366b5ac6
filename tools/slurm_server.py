# A real Slurm for tests, on free loopback ports, with nothing installed on the machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages are downloaded and unpacked below .cache/slurm: installing them would start servers on the machine of
whoever runs the tests. One munged, one slurmctld and some slurmd run as the user who runs the tests.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "slurm"
PACKAGES = (
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "munge",
    "libmunge2",
    "libhwloc15",
    "liblz4-1",
    "libreadline8",
)
START_SECONDS = 60


class SlurmServerError(Exception):
    """Slurm cannot be had or started; the message says why."""


def unpacked() -> Path:
    """The folder of the unpacked packages."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = CACHE / "complete"
        if not target.exists():
            _unpack(target)
    return target


def _unpack(target: Path) -> None:
    """Download and unpack; the folder gets its name when it is whole."""
    unfinished = CACHE / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    download = ["apt-get", "download", *PACKAGES]
    done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
    if done.returncode and os.geteuid() == 0:
        # A machine that never asked for its package lists.
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=False)
        done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
    packages = list(unfinished.glob("*.deb"))
    if done.returncode or len(packages) != len(PACKAGES):
        raise SlurmServerError(f"the packages of Slurm cannot be downloaded: {done.stderr.strip()}")
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=unfinished, check=True)
        package.unlink()
    unfinished.rename(target)


class SlurmServer:
    """A cluster of ``nodes`` names, of which the first ``alive`` have a slurmd. Use it with ``with``.

    Each node has ``gpus`` GPUs, which are plain files; the last node, of those alive, has none. With ``saving`` Slurm
    switches nodes off and on: a node is its slurmd.
    """

    def __init__(self, folder: Path, nodes: int, alive: int, gpus: int = 0, saving: bool = False) -> None:
        self.folder = folder
        self.gpus = gpus
        self.saving = saving
        self.names = [f"gpu{number}" for number in range(1, nodes + 1)]
        self.alive = self.names[:alive]
        self._tree = unpacked()
        self._pid_files: list[Path] = []
        (plugins,) = self._tree.glob("usr/lib/*/slurm-wlm")
        self.env = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "LD_LIBRARY_PATH": os.pathsep.join(
                str(path) for path in (plugins, plugins.parent, *self._tree.glob("lib/*-linux-gnu"))
            ),
        }
        for name in ("run", "state", "spool", "sbin"):
            (folder / name).mkdir(parents=True)
        # They look at the name they were started by: a slurmctld with another one knows of no GPUs.
        for name in ("slurmctld", "slurmd", "slurmstepd"):
            (folder / "sbin" / name).symlink_to(self._tree / "usr" / "sbin" / f"{name}-wlm")
        if saving:
            self._write_switches()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        (folder / "slurm.conf").write_text(self._config(plugins), encoding="utf-8")

    def command(self, name: str) -> str:
        """Path of scontrol, squeue and so on; they need ``env``."""
        return str(self._tree / "usr" / "bin" / name)

    def run(self, *words: str) -> str:
        """Output of one of Slurm's commands."""
        line = [self.command(words[0]), *words[1:]]
        done = subprocess.run(
            line, env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            raise SlurmServerError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def __enter__(self) -> SlurmServer:
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        if (self.folder / "run" / "slurmctld.pid").exists():
            # Jobs are processes of their own, which would outlive their slurmd.
            subprocess.run(
                [self.command("scancel"), f"--user={getpass.getuser()}"],
                env=self.env,
                capture_output=True,
                timeout=30,
                check=False,
            )
            give_up_at = time.monotonic() + 10
            while time.monotonic() < give_up_at and self._jobs():
                time.sleep(0.2)
        # The slurmd first, all at once: each takes seconds.
        numbers = [_number(path) for path in self._pid_files]
        self._end([number for number in numbers[2:] if number])
        self._end([number for number in reversed(numbers[:2]) if number])

    def _end(self, numbers: Sequence[int]) -> None:
        """End these processes, and wait until they are gone."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            numbers = [number for number in numbers if _signalled(number, kind)]
            give_up_at = time.monotonic() + 20
            while numbers and time.monotonic() < give_up_at:
                time.sleep(0.1)
                numbers = [number for number in numbers if _signalled(number, 0)]

    def stop_controller(self) -> None:
        """End slurmctld."""
        number = _number(self.folder / "run" / "slurmctld.pid")
        self._end([number] if number else [])

    def start_controller(self) -> None:
        """Start slurmctld, or start it again."""
        self._daemon("slurmctld.pid", self.folder / "sbin" / "slurmctld", "-f", str(self.folder / "slurm.conf"))
        self.wait(self._answers, "slurmctld answers")

    def wait(self, holds: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
        """Wait until something holds."""
        give_up_at = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > give_up_at:
                logs = "\n".join(path.read_text("utf-8", "replace")[-1500:] for path in self.folder.glob("*.log"))
                raise SlurmServerError(f"not within {seconds:.0f} s: {what}\n{logs}")
            time.sleep(0.2)

    def _start_all(self) -> None:
        run = self.folder / "run"
        self._daemon(
            "munged.pid",
            self._tree / "usr" / "sbin" / "munged",
            # Only the user who runs the tests uses the socket, whose folder is closed to all others.
            "--force",
            f"--key-file={self.folder / 'munge.key'}",
            f"--socket={run / 'munge.sock'}",
            f"--pid-file={run / 'munged.pid'}",
            f"--seed-file={run / 'munge.seed'}",
            f"--log-file={self.folder / 'munged.log'}",
        )
        self.start_controller()
        stepd = str(self.folder / "sbin" / "slurmstepd")
        for name in self.alive:
            self._daemon(
                f"slurmd.{name}.pid",
                self.folder / "sbin" / "slurmd",
                *("-f", str(self.folder / "slurm.conf"), "-N", name, "-d", stepd),
            )
        idle = ["sinfo", "--noheader", "--states=idle", "--format=%D"]
        self.wait(lambda: self.run(*idle).strip() == str(len(self.alive)), "the nodes are idle")

    def _daemon(self, pid_file: str, program: Path, *words: str) -> None:
        path = self.folder / "run" / pid_file
        if path not in self._pid_files:
            self._pid_files.append(path)
        done = subprocess.run(
            [str(program), *words],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            raise SlurmServerError(f"{program.name}: {done.stderr.strip()}")

    def _answers(self) -> bool:
        try:
            self.run("scontrol", "show", "node")
        except SlurmServerError:
            return False
        return True

    def _jobs(self) -> bool:
        try:
            return bool(self.run("squeue", "--noheader").strip())
        except SlurmServerError:
            return False

    def _config(self, plugins: Path) -> str:
        run, user = self.folder / "run", getpass.getuser()
        controller, *ports = _free_ports(1 + len(self.names))
        lines = [
            "ClusterName=test",
            "SlurmctldHost=localhost(127.0.0.1)",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            f"SlurmctldPort={controller}",
            f"PluginDir={plugins}",
            "AuthType=auth/munge",
            "CredType=cred/munge",
            f"AuthInfo=socket={run / 'munge.sock'}",
            f"StateSaveLocation={self.folder / 'state'}",
            f"SlurmdSpoolDir={self.folder / 'spool'}/%n",
            f"SlurmctldPidFile={run / 'slurmctld.pid'}",
            f"SlurmdPidFile={run}/slurmd.%n.pid",
            f"SlurmctldLogFile={self.folder / 'slurmctld.log'}",
            f"SlurmdLogFile={self.folder}/slurmd.%n.log",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SwitchType=switch/none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core",
            "SlurmdParameters=config_overrides",
            "MpiDefault=none",
            "SchedulerParameters=sched_interval=1,bf_interval=1",
            "ReturnToService=1",
            "KillWait=1",
        ]
        if self.saving:
            lines += [f"{key}Program={self.folder / key.lower()}" for key in ("Suspend", "Resume")]
            # A long time: what goes off is the plan's to say. Without one Slurm's power saving is off.
            lines += ["SuspendTime=86400", "SuspendTimeout=5", "ResumeTimeout=30"]
        with_gpus = [name for name in self.names if self.gpus and name != self.alive[-1]]
        if with_gpus:
            lines.append("GresTypes=gpu")
            self._write_gpus(with_gpus)
        for name, port in zip(self.names, ports, strict=True):
            gres = f" Gres=gpu:h100:{self.gpus}" if name in with_gpus else ""
            where = f"NodeHostname=localhost NodeAddr=127.0.0.1 Port={port}"
            lines.append(f"NodeName={name} {where} CPUs=4 RealMemory=1000{gres} State=UNKNOWN")
        lines.append("PartitionName=main Nodes=ALL Default=YES State=UP MaxTime=INFINITE")
        return "\n".join(lines) + "\n"

    def _write_switches(self) -> None:
        """The programs that end and start slurmd; Slurm gives them a list of nodes."""
        tree, folder = self._tree, self.folder
        slurmd = f"{folder}/sbin/slurmd -f {folder}/slurm.conf -d {folder}/sbin/slurmstepd"
        names = f'for name in $({tree}/usr/bin/scontrol show hostnames "$1"); do'
        switches = {
            "suspend": f"{names}\n  kill $(cat {folder}/run/slurmd.$name.pid)\ndone\n",
            "resume": f"{names}\n  {slurmd} -N $name -b\ndone\n",
        }
        settings = "".join(f"export {key}={self.env[key]}\n" for key in ("SLURM_CONF", "LD_LIBRARY_PATH"))
        for name, lines in switches.items():
            (folder / name).write_text(f"#!/bin/sh\n{settings}{lines}", encoding="utf-8")
            (folder / name).chmod(0o755)

    def _write_gpus(self, names: Sequence[str]) -> None:
        files = [self.folder / f"gpu{number}" for number in range(self.gpus)]
        for path in files:
            path.touch()
        lines = [f"NodeName={name} Name=gpu Type=h100 File={path}" for name in names for path in files]
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _number(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text())
    except (OSError, ValueError):
        return None


def _signalled(number: int, kind: int) -> bool:
    """Whether the process was there to get the signal."""
    try:
        os.kill(number, kind)
    except ProcessLookupError:
        return False
    return True


def _free_ports(count: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
