# Tests of what the role gpu_exporter writes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import importlib.util
import shlex
import sys
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from render import ROOT, load_variables, render

FACTS = {"default_ipv4": {"address": "192.0.2.11"}}


def unit(template: str, **variables: Any) -> dict[str, dict[str, list[str]]]:
    """A systemd file as {section: {key: [values in order]}}."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in render("gpu_exporter", template, **({"ansible_facts": FACTS} | variables)).splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            current.setdefault(key, []).append(value)
    return sections


def program_arguments(command: str) -> Any:
    spec = importlib.util.spec_from_file_location(
        "nvml_exporter_arguments", ROOT / "roles/gpu_exporter/files/nvml_exporter.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nvml_exporter_arguments"] = module
    spec.loader.exec_module(module)
    return module.parse_arguments(shlex.split(command)[2:])


def test_the_unit_starts_the_program_with_arguments_it_knows() -> None:
    service = unit("aidc-gpu-exporter.service.j2", gpu_exporter_xid_window=60)["Service"]
    command = service["ExecStart"][0]
    assert command.startswith("/opt/aidc_ops/node/bin/python /usr/local/lib/aidc_ops/nvml_exporter.py ")
    options = program_arguments(command)
    assert (options.listen_address, options.listen_port) == ("192.0.2.11", 9400)
    assert (options.collect_timeout, options.xid_window) == (5.0, 60.0)
    folder = "/etc/aidc_ops/gpu_exporter"
    assert (options.tls_certificate, options.tls_key, options.tls_client_ca) == (
        f"{folder}/tls.crt",
        f"{folder}/tls.key",
        f"{folder}/ca.crt",
    )


def test_tls_can_be_switched_off_and_need_not_ask_for_certificates() -> None:
    def served(**variables: str) -> tuple[str, str]:
        command = unit("aidc-gpu-exporter.service.j2", **variables)["Service"]["ExecStart"][0]
        options = program_arguments(command)
        return options.tls_key, options.tls_client_ca

    assert served(gpu_exporter_tls_certificate="") == ("", "")
    assert served(gpu_exporter_tls_client_ca="") == ("/etc/aidc_ops/gpu_exporter/tls.key", "")


def test_arguments_that_do_not_belong_together_are_refused() -> None:
    for words in ("--tls-certificate /c", "--tls-key /k", "--tls-client-ca /a"):
        with pytest.raises(SystemExit):
            program_arguments(f"python program {words}")


def test_the_interpreter_may_come_from_the_inventory() -> None:
    service = unit("aidc-gpu-exporter.service.j2", aidc_ops_node_python="/srv/python")["Service"]
    assert service["ExecStart"][0].startswith("/srv/python ")


def test_the_unit_runs_without_privileges_and_never_gives_up() -> None:
    made = unit("aidc-gpu-exporter.service.j2", gpu_exporter_user="someone")
    service = made["Service"]
    assert service["User"] == ["someone"]
    assert service["CapabilityBoundingSet"] == [""]
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == (["true"], ["strict"])
    assert (service["Restart"], made["Unit"]["StartLimitIntervalSec"]) == (["always"], ["0"])


def test_dcgm_gets_its_own_command_replaced() -> None:
    service = unit("dcgm-exporter.conf.j2", gpu_exporter_listen_address="2001:db8::1", gpu_exporter_dcgm_interval=5)[
        "Service"
    ]
    assert service["ExecStart"] == [
        "",
        "/usr/bin/dcgm-exporter -f /etc/dcgm-exporter/aidc_ops-counters.csv -a [2001:db8::1]:9400 -c 5000 -x 300000"
        " --web-config-file /etc/aidc_ops/gpu_exporter/web.yml",
    ]


def test_dcgm_collects_what_the_alert_rules_read() -> None:
    lines = [
        line
        for line in render("gpu_exporter", "dcgm-counters.csv.j2").splitlines()
        if line and not line.startswith("#")
    ]
    fields = {}
    for line in lines:
        name, kind, text = (part.strip() for part in line.split(","))
        assert kind in {"gauge", "counter", "label"}, line
        assert text, line
        fields[name] = kind
    assert len(fields) == len(lines), "a field is named twice"
    assert set(fields) >= {
        "DCGM_EXP_XID_ERRORS_COUNT",
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        "DCGM_FI_DEV_ROW_REMAP_PENDING",
        "DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DRIVER_VERSION",
    }


@pytest.mark.parametrize(
    ("flavour", "installed", "chosen"),
    [("auto", True, "dcgm"), ("auto", False, "nvml"), ("nvml", True, "nvml"), ("dcgm", False, "dcgm")],
)
def test_flavour(flavour: str, installed: bool, chosen: str) -> None:
    names = load_variables(ROOT / "roles/gpu_exporter/vars/main.yml")
    names |= {"gpu_exporter_flavour": flavour, "__gpu_exporter_dcgm_program": {"stat": {"exists": installed}}}
    assert Templar(DataLoader(), variables=names).template(names["__gpu_exporter_chosen"]).strip() == chosen
