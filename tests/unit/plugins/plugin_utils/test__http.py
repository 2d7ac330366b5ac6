# Tests of the small HTTP client.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils._http import Access, HttpError, access_from, request
from ansible_collections.aidc.ops.tests.fakes.web import Server


@pytest.fixture
def server() -> t.Iterator[Server]:
    with Server() as made:
        yield made


def test_what_is_sent_and_what_comes_back(server: Server) -> None:
    assert request("POST", f"{server.url}/a/b?c=%20d", b"body", 5, content_type="text/plain") == b"hello"
    (asked,) = server.asked
    assert (asked["method"], asked["path"], asked["content"]) == ("POST", "/a/b?c=%20d", b"body")
    assert asked["Content-Type"] == "text/plain" and "Authorization" not in asked
    assert request("GET", server.url, None, 5) == b"hello"
    assert server.asked[1]["path"] == "/"


def test_a_token_is_read_each_time(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    for content in ("first\n", "second"):
        token.write_text(content)
        request("GET", server.url, None, 5, Access(token_file=str(token)))
    assert [asked["Authorization"] for asked in server.asked] == ["Bearer first", "Bearer second"]


def test_basic_authentication(server: Server, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    request("GET", server.url, None, 5, Access(username="user", password_file=str(tmp_path / "password")))
    request("GET", server.url, None, 5, Access(username="user"))
    assert [asked["Authorization"] for asked in server.asked] == ["Basic dXNlcjpzZWNyZXQ=", "Basic dXNlcjo="]


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "esc\x1b"])
def test_a_secret_is_one_line(content: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(HttpError, match="one line"):
        request("GET", server.url, None, 5, Access(token_file=str(tmp_path / "token")))
    assert not server.asked


def test_a_redirect_is_not_followed(server: Server) -> None:
    server.status, server.headers = 302, {"Location": f"{server.url}/elsewhere"}
    with pytest.raises(HttpError, match="302"):
        request("GET", server.url, None, 5)
    assert len(server.asked) == 1


def test_no_proxy_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert request("GET", server.url, None, 5) == b"hello"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:9093", "http://", "", "http://127.0.0.1:x/"])
def test_an_odd_address_is_an_error(url: str) -> None:
    with pytest.raises(HttpError):
        request("GET", url, None, 5)


def test_no_secret_in_a_message(server: Server) -> None:
    server.status = 503
    for url in (f"{server.url}/path?token=hidden", server.url.replace("//", "//user:hidden@")):
        with pytest.raises(HttpError) as caught:
            request("GET", url, None, 5)
        assert "hidden" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_an_answer_that_says_no_is_told(server: Server) -> None:
    server.status, server.body = 400, b"bad \x1b[31m label"
    with pytest.raises(HttpError, match=r"400 bad  .31m label"):
        request("GET", server.url, None, 5)


def test_sizes_are_limited(server: Server) -> None:
    server.body = b"x" * 2000
    with pytest.raises(HttpError, match="larger than 1000"):
        request("GET", server.url, None, 5, max_bytes=1000)


def test_an_answer_that_was_cut_off_is_an_error(server: Server) -> None:
    server.headers = {"Content-Length": "100"}
    with pytest.raises(HttpError, match="cut off"):
        request("GET", server.url, None, 5)


def slow(first: bytes, then: bytes) -> str:
    """The address of a server that sends *first*, and then *then* every 50 ms."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def serve() -> None:
        try:
            with listener, listener.accept()[0] as connection:
                connection.sendall(first)
                for _round in range(200):
                    time.sleep(0.05)
                    connection.sendall(then)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"]
)
def test_the_whole_answer_has_the_time_and_not_each_part(first: bytes) -> None:
    url = slow(first, b"x" if first else b"")
    began = time.monotonic()
    with pytest.raises(HttpError, match=r"within 0\.4 s"):
        request("GET", url, None, 0.4)
    assert time.monotonic() - began < 2


def test_a_closed_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HttpError, match="refused"):
        request("GET", f"http://127.0.0.1:{port}", None, 1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, which is also the certificate of the server, and one of a client that it has signed."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test", *names)
    openssl("req", *new[:-2], "-keyout", "client.key", "-out", "client.csr", "-subj", "/CN=client")
    sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    openssl("x509", "-req", "-in", "client.csr", *sign, "-out", "client.crt")
    return folder


@pytest.fixture
def secure(certificates: Path) -> t.Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "ca.crt", certificates / "ca.key")
    context.load_verify_locations(certificates / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    with Server(context) as made:
        yield made


def test_tls_with_a_certificate_of_ours(secure: Server, certificates: Path) -> None:
    access = Access(
        ca_file=str(certificates / "ca.crt"),
        client_cert=str(certificates / "client.crt"),
        client_key=str(certificates / "client.key"),
    )
    assert request("GET", secure.url, None, 5, access) == b"hello"


@pytest.mark.parametrize("ca_file", ["", "/no/such/file"])
def test_a_server_that_nobody_vouches_for_is_an_error(secure: Server, ca_file: str) -> None:
    with pytest.raises(HttpError):
        request("GET", secure.url, None, 5, Access(ca_file=ca_file))
    assert not secure.asked


def test_without_a_certificate_of_ours(secure: Server, certificates: Path) -> None:
    with pytest.raises(HttpError):
        request("GET", secure.url, None, 5, Access(ca_file=str(certificates / "ca.crt")))
    assert not secure.asked


def test_access_from_the_options_of_a_plugin() -> None:
    options = {**dict.fromkeys(Access.__dataclass_fields__), "token_file": "/t"}
    assert access_from(options.__getitem__) == Access(token_file="/t")
