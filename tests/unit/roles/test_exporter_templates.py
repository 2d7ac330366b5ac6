# Tests of what the role exporter writes for any exporter.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from exporter_rendered import PROGRAM, arguments, rendered
from render import ROOT, load_variables, render

ROLES = ["blackbox_exporter", "pushgateway", "bmc_exporter", "snmp_exporter"]


WEB = {
    "role": "demo",
    "title": "the demo",
    "directory": "/etc/demo",
    "group": "demo",
    "tls_certificate": "/pki/n.crt",
    "tls_key": "/pki/n.key",
    "tls_client_ca": "/pki/ca.crt",
    "handler": "Restart the demo",
}


def unit(template: str, **more: Any) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(render("exporter", template, exporter_program=PROGRAM | more))
    return parsed


def web(**more: str) -> Any:
    return yaml.safe_load(render("exporter", "web.yml.j2", exporter_program=PROGRAM | more))


@pytest.mark.parametrize(
    ("address", "wanted"), [("127.0.0.1", "127.0.0.1"), ("2001:db8::1", "[2001:db8::1]"), ("::", "[::]")]
)
def test_the_address_is_written_as_the_program_reads_it(address: str, wanted: str) -> None:
    text = render("exporter", "default.j2", exporter_program=PROGRAM | {"listen_address": address})
    assert f" --web.listen-address={wanted}:9999 " in text
    assert "--web.config.file=/etc/prometheus/web/prometheus-demo-exporter/web.yml" in text


def test_the_unit_waits_for_its_address_and_never_gives_up() -> None:
    settings = unit("unit.conf.j2")
    assert settings["Unit"]["StartLimitIntervalSec"] == "0"
    assert settings["Service"]["Restart"] == "always"
    assert settings["Service"]["CapabilityBoundingSet"] == ""
    assert settings["Service"]["NoNewPrivileges"] == "true"


def test_a_capability_of_the_file_is_let_through() -> None:
    service = unit("unit.conf.j2", capability="cap_net_raw")["Service"]
    assert service["CapabilityBoundingSet"] == "CAP_NET_RAW"
    assert "NoNewPrivileges" not in service, "it would take the capability away"


def test_the_unit_of_an_archive_starts_the_program_that_the_link_shows() -> None:
    made = unit("exporter.service.j2", binary="/opt/aidc_ops/demo_exporter/current/demo_exporter")
    assert made["Service"]["ExecStart"] == "/opt/aidc_ops/demo_exporter/current/demo_exporter $ARGS"
    assert made["Service"]["EnvironmentFile"] == "/etc/default/prometheus-demo-exporter"


def test_there_is_no_tls_without_a_certificate() -> None:
    assert web() == {}


def test_a_certificate_turns_on_tls_and_an_authority_asks_for_certificates() -> None:
    served = {"tls_certificate": "/pki/n.crt", "tls_key": "/pki/n.key"}
    folder = "/etc/prometheus/web/prometheus-demo-exporter"
    assert web(**served)["tls_server_config"] == {
        "cert_file": f"{folder}/tls.crt",
        "key_file": f"{folder}/tls.key",
        "min_version": "TLS12",
    }
    asked = web(**served, tls_client_ca="/pki/ca.crt")["tls_server_config"]
    assert asked["client_auth_type"] == "RequireAndVerifyClientCert"
    assert asked["client_ca_file"] == f"{folder}/ca.crt"


def test_logins_are_written_with_their_hashes_and_nothing_of_them_is_a_template() -> None:
    users = {"alice": "$2y$05$" + "a" * 53, "{{ 7 * 7 }}": "$2y$05$" + "b" * 53}
    made = yaml.safe_load(render("exporter", "web.yml.j2", exporter_web=WEB | {"basic_auth_users": users}))
    assert made["basic_auth_users"] == users
    assert "tls_server_config" in made
    plain = WEB | {"tls_certificate": "", "basic_auth_users": users}
    assert set(yaml.safe_load(render("exporter", "web.yml.j2", exporter_web=plain))) == {"basic_auth_users"}


def files(**more: Any) -> dict[str, tuple[str, str]]:
    """{name: (where it comes from, option that says so)} of what is placed for a web server."""
    names = load_variables(ROOT / "roles/exporter/vars/main.yml") | {"exporter_web": WEB | more}
    placed = Templar(DataLoader(), variables=names).template(names["__exporter_web_files"])
    return {file["name"]: (file["src"], file["option"]) for file in placed}


def test_each_file_is_known_by_its_option() -> None:
    assert files() == {
        "tls.crt": ("/pki/n.crt", "demo_tls_certificate"),
        "tls.key": ("/pki/n.key", "demo_tls_key"),
        "ca.crt": ("/pki/ca.crt", "demo_tls_client_ca"),
    }
    assert files(client=True)["ca.crt"] == ("/pki/ca.crt", "demo_tls_ca")
    assert files(ca_option="demo_authority")["ca.crt"] == ("/pki/ca.crt", "demo_authority")


def test_without_a_certificate_a_server_gets_no_file_and_a_client_the_authority() -> None:
    assert {source for source, _option in files(tls_certificate="").values()} == {""}
    found = files(tls_certificate="", client=True)
    assert [found[name][0] for name in ("tls.crt", "tls.key", "ca.crt")] == ["", "", "/pki/ca.crt"]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_local_and_wants_certificates_unless_told_otherwise(role: str) -> None:
    made = arguments(role)
    (listens,) = [word for word in made if word.startswith("--web.listen-address=")]
    assert listens.startswith("--web.listen-address=127.0.0.1:")
    asked = yaml.safe_load(rendered(role, "web.yml.j2"))["tls_server_config"]
    assert asked["client_auth_type"] == "RequireAndVerifyClientCert"
    assert yaml.safe_load(rendered(role, "web.yml.j2", **{f"{role}_tls_certificate": ""})) == {}
    everybody = yaml.safe_load(rendered(role, "web.yml.j2", **{f"{role}_tls_client_ca": ""}))["tls_server_config"]
    assert "client_ca_file" not in everybody
    assert arguments(role, **{f"{role}_extra_args": ["--log.level=warn"]})[-3] == "--log.level=warn"


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_take_an_archive(role: str) -> None:
    text = rendered(role, "exporter.service.j2", **{f"{role}_install": "archive"})
    found = re.search(r"^ExecStart=/opt/aidc_ops/(\w+)/current/(\w+) \$ARGS$", text, re.MULTILINE)
    assert found is not None
    assert found.group(1) == found.group(2)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_says_all_that_is_asked(role: str) -> None:
    told = load_variables(ROOT / "roles" / role / "vars" / "main.yml")[f"__{role}_program"]
    assert set(told) == set(PROGRAM)
    spec = yaml.safe_load((ROOT / "roles/exporter/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert set(spec["options"]["exporter_program"]["options"]) == set(PROGRAM)


def test_what_an_environment_file_cannot_carry_is_refused() -> None:
    forbidden = load_variables(ROOT / "roles/exporter/vars/main.yml")["__exporter_forbidden"]
    for bad in ("--a=b c", '--a="b"', "--a='b'", "--a=$HOME", "--a=\\d", "--a=b\n--c"):
        assert re.search(forbidden, bad), bad
