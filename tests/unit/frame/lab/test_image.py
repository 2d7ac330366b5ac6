# Tests of molecule/shared/image.py: recipe, mirror, apt options, command line.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import image
import pytest
import yaml

DATA: dict[str, Any] = {
    "name": "localhost/x",
    "mirror": "http://recipe.example/debian",
    "packages": ["b", "a"],
    "left_out": ["/doc/*"],
    "suites": {"bookworm": {"packages": ["c"]}, "trixie": {}},
}


def make(**changes: Any) -> image.Recipe:
    values: dict[str, Any] = {"data": DATA, "suite": "bookworm", "setup": "#!/bin/sh\n", "env": {}, **changes}
    return image.recipe(**values)


def test_the_environment_wins_then_apt_then_the_recipe() -> None:
    assert make().mirror == "http://recipe.example/debian"
    assert make(apt_mirror="http://apt.example/debian").mirror == "http://apt.example/debian"
    mine = make(
        env={"AIDC_OPS_LAB_MIRROR": "http://mine.example/debian", "AIDC_OPS_LAB_IMAGE": "localhost/y"},
        apt_mirror="http://apt.example/debian",
    )
    assert mine.mirror == "http://mine.example/debian"
    assert mine.tag == "localhost/y:bookworm"


def test_a_suite_adds_its_packages() -> None:
    assert make().packages == ("b", "a", "c")
    assert make(suite="trixie").packages == ("b", "a")


def test_an_unknown_suite_is_named() -> None:
    with pytest.raises(image.ImageError, match=r"'sid'.*bookworm, trixie"):
        make(suite="sid")


def test_the_hash_follows_content_not_order_or_mirror() -> None:
    same = make(data={**DATA, "packages": ["a", "b"]}, apt_mirror="http://apt.example/debian")
    assert same.digest == make().digest
    assert make(setup="#!/bin/sh\ntrue\n").digest != make().digest
    assert make(data={**DATA, "packages": ["a", "b", "d"]}).digest != make().digest
    assert make(data={**DATA, "left_out": []}).digest != make().digest
    assert make(suite="trixie").digest != make().digest


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["deb http://a.example/debian bookworm main\n"], "http://a.example/debian"),
        (["deb [signed-by=/k.gpg] https://b.example/x/debian/ bookworm main\n"], "https://b.example/x/debian"),
        (["Types: deb\nURIs: http://c.example/debian\nSuites: bookworm\n"], "http://c.example/debian"),
        (["deb http://ubuntu.example/ubuntu noble main\n", "URIs: http://d.example/debian-security\n"], None),
        (["# deb http://a.example/debian bookworm main\n"], None),
        ([], None),
    ],
)
def test_the_mirror_of_this_machine_is_found(texts: list[str], found: str | None) -> None:
    assert image.debian_mirror(texts) == found


def test_only_download_options_are_taken_from_apt() -> None:
    dump = (
        'APT::Install-Recommends "1";\nAcquire::http::Proxy "http://p.example:3128";\n'
        'Acquire::https::CaInfo "/etc/ca.pem";\n'
        'Acquire::Check-Valid-Until "false";\nAcquire::http "";\nDPkg::Post-Invoke:: "rm -rf /";\n'
    )
    assert image.apt_options(dump) == [
        'Acquire::http::Proxy "http://p.example:3128";',
        'Acquire::https::CaInfo "/etc/ca.pem";',
        'Acquire::Check-Valid-Until "false";',
    ]


@pytest.mark.parametrize("tool", ["mmdebstrap", "debootstrap"])
def test_either_tool_is_used(monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    monkeypatch.setattr(image.shutil, "which", lambda name: name if name == tool else None)
    command = image.bootstrap_command(make(), "/x.tar", ['Acquire::Retries "3";'])
    assert command[0] == tool
    assert "--include=b,a,c" in command
    assert command[-3:] == ["bookworm", "/x.tar", "http://recipe.example/debian"]


def test_without_a_tool_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image.shutil, "which", lambda name: None)
    with pytest.raises(image.ImageError, match="apt-get install mmdebstrap"):
        image.bootstrap_command(make(), "/x.tar", [])


def test_the_real_recipe_has_each_package_once() -> None:
    data = yaml.safe_load(image.RECIPE.read_text())
    for suite in data["suites"]:
        packages = image.recipe(data, suite, "", {}).packages
        assert len(packages) == len(set(packages))
