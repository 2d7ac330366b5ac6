# Builds the simulated NVML library once and gives each test a simulated node of its own.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from unittest import mock

import pytest

SOURCES = Path(__file__).resolve().parents[4] / "molecule/shared/gpusim"
H100 = "NVIDIA H100 80GB HBM3"

PRELUDE = """
import json, sys
import pynvml as n
answer = None
def gpu(index):
    return n.nvmlDeviceGetHandleByIndex(index)
def error(call, *arguments):
    try:
        call(*arguments)
    except n.NVMLError as problem:
        return problem.value
    return 0
"""


def load(name: str) -> ModuleType:
    """One of the programs as a module; nothing is written beside it."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(SOURCES / "bin" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.object(sys, "dont_write_bytecode", new=True):
        loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def command() -> ModuleType:
    """The program gpusim."""
    return load("gpusim")


@pytest.fixture(scope="session")
def smi() -> ModuleType:
    """The program nvidia-smi."""
    return load("nvidia-smi")


class Builder(Protocol):
    """Runs the Makefile with settings or targets, building into the folder; returns the folder."""

    def __call__(self, folder: Path, *settings: str) -> Path: ...


def build(folder: Path, *settings: str) -> Path:
    make = ["make", "-s", "-C", str(SOURCES), f"BUILD={folder}", *settings]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the library has to build without a warning"
    return folder


@pytest.fixture
def builder() -> Builder:
    return build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with libnvidia-ml.so.1."""
    return build(tmp_path_factory.mktemp("library"))


@dataclass
class Node:
    """A simulated node: its folder, and ways to command and to ask it."""

    folder: Path
    library: Path
    command: ModuleType

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "GPUSIM_STATE": str(self.state),
            "GPUSIM": str(SOURCES / "bin/gpusim"),
            "LD_LIBRARY_PATH": str(self.library),
        }

    def gpusim(self, *arguments: str, status: int = 0) -> str:
        """Run the command in this process; returns its output (standard error when it is to fail)."""
        output, errors = io.StringIO(), io.StringIO()
        environment = mock.patch.dict(os.environ, {"GPUSIM_STATE": str(self.state)})
        with environment, contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                code = self.command.main(list(arguments))
            except SystemExit as stop:  # argparse's way out
                code = stop.code
        assert code == status, output.getvalue() + errors.getvalue()
        return errors.getvalue() if status else output.getvalue()

    def smi(self, *arguments: str, status: int = 0) -> str:
        """Run the stand-in of nvidia-smi; returns its standard output."""
        done = self.run([sys.executable, str(SOURCES / "bin/nvidia-smi"), *arguments])
        assert done.returncode == status, done.stdout + done.stderr
        assert not done.stderr, done.stderr
        return done.stdout

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def consumer(self, code: str, init: bool = True) -> list[str]:
        """Command line of a Python program with nvidia-ml-py as `n`; it prints the variable `answer` as JSON."""
        start = "n.nvmlInit()\n" if init else ""
        return [
            sys.executable,
            "-c",
            PRELUDE + start + textwrap.dedent(code) + "\nprint(json.dumps(answer, default=bytes.decode))",
        ]

    def ask(self, code: str, init: bool = True) -> Any:
        """Run such a program and return its answer."""
        done = self.run(self.consumer(code, init))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def entry(self, key: str, gpu: int | None = None) -> str | None:
        """Value of a key in the state file."""
        wanted = key if gpu is None else f"{key}.{gpu}"
        entries = dict(line.split("=", 1) for line in self.state.read_text().splitlines() if "=" in line)
        return entries.get(wanted)

    def kernel_log(self) -> list[str]:
        return (self.folder / "kernel.log").read_text().splitlines()

    def xid_lines(self) -> list[str]:
        return [line for line in self.kernel_log() if "NVRM: Xid" in line]


@pytest.fixture
def bare_node(tmp_path: Path, library: Path, command: ModuleType) -> Node:
    """A node without a state file."""
    return Node(tmp_path, library, command)


@pytest.fixture
def node(bare_node: Node) -> Node:
    """A healthy node with four H100."""
    bare_node.gpusim("init", "--model", H100, "--gpus", "4", "--node", "gpu1")
    return bare_node
