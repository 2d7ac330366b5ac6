# What `make install` lays down, and that the programs run on the oldest Python of a node.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Builder, Node

PROGRAMS = Path(__file__).resolve().parents[4] / "molecule/shared/gpusim/bin"


def test_install_below_a_folder(library: Path, builder: Builder, tmp_path: Path) -> None:
    target = tmp_path / "root"
    builder(library, "install", f"DESTDIR={target}")
    modes = {
        str(p.relative_to(target)): oct(p.stat().st_mode & 0o777)
        for p in target.rglob("*") if not p.is_dir() and not p.is_symlink()
    }  # fmt: skip
    assert modes == {
        "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": "0o644",
        "usr/local/sbin/gpusim": "0o755",
        "usr/bin/nvidia-smi": "0o755",
        "usr/lib/systemd/system/gpusim-boot.service": "0o644",
    }
    link = target / "usr/lib/systemd/system/sysinit.target.wants/gpusim-boot.service"
    assert link.is_symlink() and link.resolve() == target / "usr/lib/systemd/system/gpusim-boot.service"
    assert (target / "var/lib/gpusim").is_dir()


def test_only_the_interface_is_exported(library: Path) -> None:
    done = subprocess.run(
        ["nm", "-D", "--defined-only", str(library / "libnvidia-ml.so.1")], capture_output=True, text=True, check=True
    )
    names = [line.split()[-1] for line in done.stdout.splitlines()]
    assert len(names) > 120
    assert [name for name in names if not name.startswith("nvml")] == ["gpusimSlotByIndex"]


@pytest.mark.parametrize("name", ["gpusim", "nvidia-smi"])
def test_programs_are_python_3_8_of_the_standard_library(name: str) -> None:
    tree = ast.parse((PROGRAMS / name).read_text(), feature_version=(3, 8))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    known = {"__future__", "argparse", "contextlib", "ctypes", "fcntl", "hashlib", "os", "pathlib", "re", "signal",
             "subprocess", "sys", "tempfile", "time", "typing", "uuid"}  # fmt: skip
    assert imported <= known


def test_dmi_files(node: Node) -> None:
    folder = node.folder / "root/sys/class/dmi/id"
    found = {p.name: (p.read_text().rstrip("\n"), oct(p.stat().st_mode & 0o777)) for p in folder.iterdir()}
    assert found["product_serial"][1] == "0o400", "the serial number is root's, as in a real /sys"
    assert found["sys_vendor"] == ("Simulated", "0o444")
    assert found["product_name"][0] == "8-GPU node SXM5"
    (folder / "product_serial").unlink()
    node.gpusim("boot")
    assert (folder / "product_serial").read_text().rstrip("\n") == found["product_serial"][0], "a boot makes it again"
