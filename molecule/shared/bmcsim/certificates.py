# Makes the certificate of the simulated BMCs with the program openssl.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterable
from pathlib import Path


def make_certificate(folder: Path, hosts: Iterable[str]) -> tuple[Path, Path]:
    """A self-signed certificate for these names and addresses, and its key; clients trust it by the file itself."""
    certificate, key, settings = folder / "bmcsim.crt", folder / "bmcsim.key", folder / "bmcsim.cnf"
    names = ",".join(f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts)
    # A file, since hundreds of addresses are too long for a line of a shell.
    settings.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=extensions\nprompt=no\n[name]\nCN=bmcsim\n"
        f"[extensions]\nbasicConstraints=critical,CA:true\nsubjectAltName={names}\n"
    )
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
    ]
    command += ["-config", str(settings), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
