# Tests of the Redfish client that need no service; those with one are in tests/bmc.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import redfish_client
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import (
    Clock,
    MissingProgram,
    PartError,
    Refused,
    Silent,
)
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_client import Access, RedfishClient, decode


def test_a_document() -> None:
    assert decode(b'{"Id": "1"}') == ({"Id": "1"}, True)


def test_bytes_that_are_not_utf8_are_shown_as_such() -> None:
    doc, proper = decode(b'{"SerialNumber": "\xff\xfeSN1"}')
    assert (doc["SerialNumber"], proper) == ("\ufffd\ufffdSN1", False)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"Id": "1"',
        b"<html>busy</html>",
        b'{"Id": ' + b"9" * 5000 + b"}",
        b"[" * 100000,
        b"\x00\x01",
    ],
)
def test_what_is_no_json_is_said(content: bytes) -> None:
    with pytest.raises(PartError, match="not JSON, or is cut off"):
        decode(content)


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"null", b"5", b"true"])
def test_what_is_no_object_is_said(content: bytes) -> None:
    with pytest.raises(PartError, match="not a JSON object"):
        decode(content)


@pytest.mark.parametrize(
    ("access", "url"),
    [
        (Access("192.0.2.10"), "https://192.0.2.10"),
        (Access("bmc1.example", 8443), "https://bmc1.example:8443"),
        (Access("2001:db8::7", 8443), "https://[2001:db8::7]:8443"),
    ],
)
def test_the_address(access: Access, url: str) -> None:
    assert access.url == url


def test_nobody_there_is_silent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Silent, match=f"https://127.0.0.1:{port}: no connection: Connection refused"):
        RedfishClient(Access("127.0.0.1", port, "admin", "secret"), Clock(6))


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sushy", None)
    redfish_client._library.cache_clear()
    with pytest.raises(MissingProgram, match="Python package sushy is missing"):
        RedfishClient(Access("127.0.0.1"), Clock(6))


def test_a_library_that_is_too_old_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class OldConnector:
        def __init__(self, url: str, verify: bool) -> None:
            pass

    monkeypatch.setattr("sushy.connector.Connector", OldConnector)
    with pytest.raises(MissingProgram, match=r"sushy is too old .*: 5\.3 or newer"):
        RedfishClient(Access("127.0.0.1"), Clock(6))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_said(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refused, match=r"ca\.pem cannot be read"):
        RedfishClient(Access("127.0.0.1", ca_path=str(path)), Clock(6))


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/redfish/v1/SessionService/Sessions/1", "/redfish/v1/SessionService/Sessions/1"),
        ("https://other.example/redfish/v1/SessionService/Sessions/1", "/redfish/v1/SessionService/Sessions/1"),
        ("//other.example/x", "/x"),
        ("", None),
        (None, None),
    ],
)
def test_the_session_is_closed_where_it_was_opened(uri: str | None, path: str | None) -> None:
    assert redfish_client._own_path(uri) == path
