# Tests of what the role slurm_exporter writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import sys
from typing import Any

import pytest
from render import ROOT, load_variables, render

FACTS = {"default_ipv4": {"address": "192.0.2.11"}}
UNIT = "aidc-slurm-exporter.service.j2"
PLAIN = {"slurm_exporter_tls_certificate": ""}


def unit(**variables: Any) -> dict[str, dict[str, list[str]]]:
    """The unit as {section: {key: [values in order]}}."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in render("slurm_exporter", UNIT, **({"ansible_facts": FACTS} | variables)).splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            current.setdefault(key, []).append(value)
    return sections


@functools.cache
def program() -> Any:
    path = ROOT / "roles/slurm_exporter/files/slurm_exporter.py"
    # It imports what lies beside it.
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("slurm_exporter_arguments", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["slurm_exporter_arguments"] = module
    spec.loader.exec_module(module)
    return module


def options(**variables: Any) -> Any:
    """What the program understands of the command in the unit."""
    return program().parse_arguments(shlex.split(unit(**variables)["Service"]["ExecStart"][0])[2:])


def test_the_unit_starts_the_program_with_arguments_it_knows() -> None:
    command = unit()["Service"]["ExecStart"][0]
    assert command.startswith("/usr/bin/python3 /usr/local/lib/aidc_ops/slurm_exporter.py ")
    found = options(
        **PLAIN, slurm_exporter_interval=60, slurm_exporter_timeout=9, slurm_exporter_slurm_dir="/opt/slurm/bin"
    )
    assert (found.listen_address, found.listen_port) == ("192.0.2.11", 9341)
    assert (found.interval, found.timeout, found.max_job_series) == (60.0, 9.0, 10000)
    assert (found.slurm_programs, found.user_label, found.tls_key) == ("/opt/slurm/bin", "none", "")


def test_the_defaults_of_role_and_program_agree() -> None:
    made, own = vars(options(**PLAIN)), vars(program().parse_arguments([]))
    assert {name for name in own if own[name] != made[name]} == {"listen_address"}


@pytest.mark.parametrize("address", ["2001:db8::1", "[2001:db8::1]"])
def test_an_address_with_brackets_or_without(address: str) -> None:
    assert options(slurm_exporter_listen_address=address).listen_address == "2001:db8::1"


def test_certificates_are_read_where_the_role_places_them() -> None:
    found = options()
    folder = load_variables(ROOT / "roles/slurm_exporter/vars/main.yml")["__slurm_exporter_tls_dir"]
    assert [found.tls_certificate, found.tls_key, found.tls_client_ca] == [
        f"{folder}/tls.crt",
        f"{folder}/tls.key",
        f"{folder}/ca.crt",
    ]
    assert options(slurm_exporter_tls_client_ca="").tls_client_ca == ""


def test_only_hashed_names_need_a_directory() -> None:
    assert "StateDirectory" not in unit()["Service"]
    service = unit(slurm_exporter_user_label="hash")["Service"]
    assert service["StateDirectory"] == ["aidc-slurm-exporter"] and service["StateDirectoryMode"] == ["0700"]
    assert options(slurm_exporter_user_label="hash").user_key_file == "/var/lib/aidc-slurm-exporter/user.key"


def test_the_configuration_of_slurm_may_be_elsewhere() -> None:
    assert unit()["Service"]["Environment"] == ["PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1"]
    found = unit(slurm_exporter_slurm_conf="/opt/slurm/etc/slurm.conf")["Service"]["Environment"]
    assert found[1:] == ["SLURM_CONF=/opt/slurm/etc/slurm.conf"]


def test_the_unit_runs_without_privileges_and_never_gives_up() -> None:
    made = unit(slurm_exporter_user="someone")
    service = made["Service"]
    assert service["User"] == ["someone"]
    assert service["CapabilityBoundingSet"] == [""]
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == (["true"], ["strict"])
    assert (service["Restart"], made["Unit"]["StartLimitIntervalSec"]) == (["always"], ["0"])


@pytest.mark.parametrize("text", ["/a b", "/a$b", "/a%n", '/a"b', "/a\\b"])
def test_what_a_unit_cannot_carry_is_refused(text: str) -> None:
    forbidden = load_variables(ROOT / "roles/slurm_exporter/vars/main.yml")["__slurm_exporter_forbidden"]
    assert re.search(forbidden, text)
    assert not re.search(forbidden, "/opt/slurm-24.11/etc/slurm.conf")
