# A certificate authority and certificates for loopback, made with openssl the way the role pki makes them.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import subprocess
from pathlib import Path


def make_authority(folder: Path) -> None:
    """ca.crt and ca.key in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(
        folder,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt"),
    )


def make_certificate(folder: Path, name: str) -> None:
    """name.crt and name.key in *folder*, valid for 127.0.0.1 and signed by the authority there."""
    _openssl(
        folder,
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
        *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
    )
    (folder / f"{name}.ext").write_text("subjectAltName = IP:127.0.0.1\n", encoding="utf-8")
    _openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"),
        *("-extfile", f"{name}.ext", "-out", f"{name}.crt"),
    )


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
