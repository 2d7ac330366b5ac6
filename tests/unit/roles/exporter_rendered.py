# What the role exporter writes for one of the roles that import it, for the tests of those roles.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

from ansible.template import trust_as_template
from render import ROOT, load_variables, render

PROGRAM = {
    "name": "demo_exporter",
    "title": "demo exporter",
    "role": "exporter",
    "service": "prometheus-demo-exporter",
    "handler": "Restart the exporter",
    "install": "package",
    "packages": ["prometheus-demo-exporter"],
    "version": "",
    "archive_url": "",
    "archive_checksum": "",
    "binary": "/usr/bin/prometheus-demo-exporter",
    "arguments": ["--config.file=/etc/prometheus/demo.yml"],
    "listen_address": "127.0.0.1",
    "listen_port": 9999,
    "tls_certificate": "",
    "tls_key": "",
    "tls_client_ca": "",
    "capability": "",
}


def rendered(role: str, template: str, **variables: Any) -> str:
    """The text of a template of the role exporter, told what `role` tells it unless `variables` says otherwise."""
    names: dict[str, Any] = {"exporter_program": trust_as_template(f"{{{{ __{role}_program }}}}")}
    for source in ("defaults", "vars"):
        names.update(load_variables(ROOT / "roles" / role / source / "main.yml"))
    return render("exporter", template, **(names | variables))


def arguments(role: str, **variables: Any) -> list[str]:
    """The command line that `role` starts its exporter with."""
    line = rendered(role, "default.j2", **variables).splitlines()[-1]
    found = re.fullmatch(r'ARGS="([^"\\$]*)"', line)
    assert found is not None, line
    return found.group(1).split(" ")
