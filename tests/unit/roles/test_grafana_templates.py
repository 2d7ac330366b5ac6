# Tests of what the role grafana writes, and of the choices that it offers.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import yaml
from render import ROOT, render

PASSWORD = "correct horse battery"


def settings(**variables: Any) -> configparser.ConfigParser:
    """The settings as a reader of such files has them."""
    text = render("grafana", "grafana.ini.j2", **{"grafana_admin_password": PASSWORD, **variables})
    read = configparser.ConfigParser(interpolation=None)
    read.read_string(text)
    return read


def datasources(*sources: dict[str, Any], **variables: Any) -> dict[str, Any]:
    more = {"grafana_datasources": list(sources)} if sources else {}
    loaded: dict[str, Any] = yaml.safe_load(render("grafana", "datasources.yml.j2", **more, **variables))
    return loaded


def test_nobody_is_let_in_by_default() -> None:
    read = settings()
    assert (read["server"]["protocol"], read["server"]["http_addr"]) == ("https", "127.0.0.1")
    assert dict(read["auth.anonymous"]) == {"enabled": "false"}
    assert read["users"]["allow_sign_up"] == "false"
    assert read["security"]["admin_password"] == PASSWORD
    assert read["analytics"]["reporting_enabled"] == "false"


def test_the_fleet_is_the_first_page_where_it_is_placed() -> None:
    assert settings()["dashboards"]["default_home_dashboard_path"] == "/etc/grafana/aidc_ops/fleet.json"
    assert "dashboards" not in settings(grafana_dashboards=["runs"])


def test_a_certificate_means_tls() -> None:
    read = settings(
        grafana_tls_certificate="/pki/node1.crt",
        grafana_tls_key="/pki/node1.key",
        grafana_listen_address="192.0.2.1",
        grafana_root_url="https://grafana.example.com/",
    )
    assert dict(read["server"]) == {
        "protocol": "https",
        "http_addr": "192.0.2.1",
        "http_port": "3000",
        "root_url": "https://grafana.example.com/",
        "cert_file": "/etc/aidc_ops/grafana/tls.crt",
        "cert_key": "/etc/aidc_ops/grafana/tls.key",
    }
    assert read["security"]["cookie_secure"] == "true"
    plain = settings(grafana_tls_certificate="")
    assert dict(plain["server"]) == {"protocol": "http", "http_addr": "127.0.0.1", "http_port": "3000"}
    assert plain["security"]["cookie_secure"] == "false"


def test_screens_on_a_wall_may_look_without_a_login() -> None:
    read = settings(grafana_anonymous_role="Viewer")
    assert dict(read["auth.anonymous"]) == {"enabled": "true", "org_role": "Viewer"}


def test_more_settings_win_and_leave_the_others_alone() -> None:
    read = settings(
        grafana_settings={"server": {"http_port": 3001}, "smtp": {"enabled": True, "host": "mail.example.com:25"}}
    )
    assert (read["server"]["http_port"], read["server"]["http_addr"]) == ("3001", "127.0.0.1")
    assert dict(read["smtp"]) == {"enabled": "true", "host": "mail.example.com:25"}


def test_what_begins_a_comment_is_quoted() -> None:
    for password in ("#begins like one", "two;parts of one", 'with "quotes" in it', " spaces around it "):
        line = next(
            line
            for line in render("grafana", "grafana.ini.j2", grafana_admin_password=password).splitlines()
            if line.startswith("admin_password")
        )
        assert line == f'admin_password = """{password}"""'


def test_text_from_outside_stays_text() -> None:
    assert "{{ 7 * 7 }}" in render("grafana", "grafana.ini.j2", grafana_admin_password="{{ 7 * 7 }} and more")


def test_prometheus_on_the_same_machine_is_the_default() -> None:
    (source,) = datasources(grafana_datasources_tls_ca="", grafana_datasources_tls_certificate="")["datasources"]
    assert (source["uid"], source["url"], source["isDefault"]) == ("prometheus", "http://127.0.0.1:9090", True)
    assert source["jsonData"] == {"timeInterval": "10s"}
    assert source["secureJsonData"] == {}
    assert source["basicAuth"] is False
    assert source["editable"] is False


def test_prometheus_is_shown_a_certificate_and_others_are_not(tmp_path: Path) -> None:
    given = {}
    for name in ("ca", "certificate", "key"):
        path = tmp_path / name
        path.write_text(f"-----BEGIN {name}-----\n{{{{ 7 * 7 }}}} $HOME\n")
        given[f"grafana_datasources_tls_{name}"] = str(path)
    other = {"name": "far", "uid": "far", "url": "https://prometheus.example.com"}
    (source,) = datasources(**given)["datasources"]
    assert source["url"] == "https://127.0.0.1:9090"
    assert source["jsonData"] == {"tlsAuthWithCACert": True, "tlsAuth": True, "timeInterval": "10s"}
    # Grafana makes one dollar sign of two.
    assert source["secureJsonData"] == {
        "tlsCACert": "-----BEGIN ca-----\n{{ 7 * 7 }} $$HOME",
        "tlsClientCert": "-----BEGIN certificate-----\n{{ 7 * 7 }} $$HOME",
        "tlsClientKey": "-----BEGIN key-----\n{{ 7 * 7 }} $$HOME",
    }
    (source,) = datasources(other, **given)["datasources"]
    assert (source["jsonData"], source["secureJsonData"]) == ({}, {})


def test_before_the_certificates_are_made_there_is_nothing_to_show() -> None:
    (source,) = datasources(grafana_datasources_tls_ca="/none", grafana_datasources_tls_certificate="/none")[
        "datasources"
    ]
    assert source["secureJsonData"] == {}


def test_passwords_with_a_dollar_sign_are_not_taken_for_variables() -> None:
    made = datasources(
        {
            "name": "far",
            "uid": "far",
            "url": "https://prometheus.example.com",
            "basic_auth_user": "grafana",
            "secure_json_data": {"basicAuthPassword": 'p$a"ss'},
        },
        grafana_datasources_removed=["old"],
    )
    assert made["deleteDatasources"] == [{"name": "old", "orgId": 1}]
    (source,) = made["datasources"]
    assert (source["type"], source["basicAuth"], source["basicAuthUser"]) == ("prometheus", True, "grafana")
    assert source["isDefault"] is False
    # Grafana makes one of two.
    assert source["secureJsonData"] == {"basicAuthPassword": 'p$$a"ss'}


def test_dashboards_come_from_their_folder_and_cannot_be_changed_in_the_browser() -> None:
    (provider,) = yaml.safe_load(render("grafana", "dashboards.yml.j2", grafana_folder='A "folder": #1'))["providers"]
    assert provider["folder"] == 'A "folder": #1'
    assert provider["options"] == {"path": "/etc/grafana/aidc_ops"}
    assert (provider["allowUiUpdates"], provider["disableDeletion"], provider["folderUid"]) == (
        False,
        False,
        "aidc-ops",
    )


def test_packages_come_from_the_repository_that_was_given() -> None:
    text = render("grafana", "grafana.sources.j2", grafana_repository_url="https://mirror.example.com/grafana")
    assert "URIs: https://mirror.example.com/grafana\n" in text
    assert text.endswith("Suites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/grafana.asc\n")


def test_every_dashboard_can_be_chosen_and_is_by_default() -> None:
    spec = yaml.safe_load((ROOT / "roles/grafana/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    option = spec["options"]["grafana_dashboards"]
    files = {path.stem for path in (ROOT / "roles/grafana/files/dashboards").glob("*.json")}
    assert set(option["default"]) == set(option["choices"]) == files
