# Programs that know nothing of the simulator, fetched once into .cache, and a simulated node for them.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "molecule/shared/gpusim"
CACHE = ROOT / ".cache/gpusim_consumers"
NVITOP_EXPORTER = "nvitop-exporter==1.7.2"
DCGM_WHEEL = "nvidia-pytriton==0.7.0"  # carries NVIDIA's DCGM 3.2.6 engine


def fetch_once(name: str, fill: Callable[[Path], None]) -> Path:
    """Folder below the cache; `fill` makes it when it is not there, in a folder that gets its name when it is whole."""
    target = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "complete").exists():
            target.mkdir(exist_ok=True)
            fill(target)
            (target / "complete").touch()
    return target


def run_pip(python: str, *arguments: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"pip {' '.join(arguments)} failed (this test needs a package index):\n{done.stderr}"


@pytest.fixture(scope="session")
def nvitop_exporter() -> Path:
    """The program nvitop-exporter."""

    def fill(folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True, clear=True)
        run_pip(str(folder / "venv/bin/python"), "install", NVITOP_EXPORTER)

    return fetch_once("nvitop", fill) / "venv/bin/nvitop-exporter"


@pytest.fixture(scope="session")
def dcgm() -> Path:
    """The library of the real DCGM engine."""

    def fill(folder: Path) -> None:
        run_pip(sys.executable, "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder), DCGM_WHEEL)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if Path(name).name.startswith("libdcgm-")]
            (folder / "libdcgm.so").write_bytes(archive.read(name))
        wheel.unlink()  # 55 MB of which only the library is needed

    return fetch_once("dcgm", fill) / "libdcgm.so"


@dataclass
class Node:
    """A simulated node for a program."""

    folder: Path
    library: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "GPUSIM_STATE": str(self.folder / "state"), "LD_LIBRARY_PATH": str(self.library)}

    def gpusim(self, *arguments: str) -> None:
        command = [sys.executable, str(SOURCES / "bin/gpusim"), *arguments]
        subprocess.run(command, env=self.env, stdout=subprocess.DEVNULL, check=True)

    def entry(self, key: str, gpu: int) -> str:
        """The GPU's own value of a key, else the common one."""
        lines = (self.folder / "state").read_text().splitlines()
        entries = dict(line.split("=", 1) for line in lines)
        return entries.get(f"{key}.{gpu}", entries.get(key, ""))

    def number(self, key: str, gpu: int) -> int:
        return int(self.entry(key, gpu), 0)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Three H100, the second of them at work."""
    subprocess.run(["make", "-s", "-C", str(SOURCES), f"BUILD={tmp_path / 'library'}"], check=True)
    made = Node(tmp_path, tmp_path / "library")
    made.gpusim("init", "--model", "NVIDIA H100 80GB HBM3", "--gpus", "3", "--node", "gpu1")
    made.gpusim(
        "set", "--gpu", "1", "temperature_gpu=61", "temperature_memory=70", "power_usage=351500", "power_limit=600000",
        "utilization_gpu=93", "utilization_memory=41", "clock_sm=1710", "clock_graphics=1710", f"memory_used={7 << 30}",
        "energy=123456789", "pcie_width=8", "pcie_replay=5", "nvlink_crc_flit_3=7", "nvlink_replay_4=9",
        "remapped_rows_correctable=1", "ecc_corrected_volatile_dram=11", "clocks_event_reasons=0x4",
    )  # fmt: skip
    return made
