# Tests of what is sent out of the controller: verified, bounded, and without secrets in errors.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils import _outbound
from ansible_collections.aidc.ops.plugins.module_utils._outbound import OutboundError


class Receiver:
    """A web service on a free port of this machine that answers with ``status`` and remembers what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.status, self.location, self.wait = 200, "", 0.0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, dict(self.headers.items()), json.loads(body)))
                time.sleep(receiver.wait)
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/secret"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def test_a_post_carries_key_and_token(receiver: Receiver) -> None:
    _outbound.post_json(receiver.url, {"a": 1}, "aidc.ops:7", 2, "t0ken")
    ((path, headers, body),) = receiver.got
    assert (path, body) == ("/hook/secret", {"a": 1})
    assert headers["Idempotency-Key"] == "aidc.ops:7" and headers["Authorization"] == "Bearer t0ken"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [301, 307, 401, 404, 500])
def test_anything_but_success_is_an_error_without_the_path(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.location = status, "https://example.com/elsewhere" if status < 400 else ""
    with pytest.raises(OutboundError) as caught:
        _outbound.post_json(receiver.url, {}, "k", 2, "t0ken")
    assert "secret" not in str(caught.value) and "t0ken" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert len(receiver.got) == 1, "a redirect is not followed"


@pytest.mark.parametrize("url", ["http://example.com/x", "ftp://example.com", "https://", "file:///etc/passwd", "x"])
def test_only_https_or_this_machine(url: str) -> None:
    with pytest.raises(OutboundError, match="only https"):
        _outbound.check_url(url)


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(OutboundError, match=r"http://127\.0\.0\.1:1"):
        _outbound.post_json("http://127.0.0.1:1/hook/secret", {}, "k", 2)


def test_the_shown_address_has_no_secret() -> None:
    assert _outbound.shown_url("https://user:pw@example.com:8443/hooks/T0/B0?token=x") == "https://example.com:8443"


def test_calls_run_side_by_side_and_end_in_time() -> None:
    def fail() -> None:
        raise OutboundError("no")

    began = time.monotonic()
    outcome = _outbound.bounded({"slow": lambda: time.sleep(3), "good": lambda: None, "bad": fail}, 0.3)
    assert time.monotonic() - began < 1
    assert outcome == {"slow": "no answer within 0.3 s", "good": None, "bad": "no"}


@pytest.mark.parametrize("content", ["", "two words", "\n"])
def test_a_token_file_holds_one_token(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(OutboundError, match="one token"):
        _outbound.read_token(str(tmp_path / "token"))


def test_the_token_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert _outbound.read_token(str(tmp_path / "token")) == "abc"
    with pytest.raises(OutboundError, match=r"none cannot be read: No such file"):
        _outbound.read_token(str(tmp_path / "none"))


class MailServer:
    """Speaks as much SMTP as a client needs to hand over one mail."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.to: list[str] = []
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 ready")
                while line := self.rfile.readline().decode().strip():
                    word = line.upper()
                    if word.startswith("DATA"):
                        self.say("354 go on")
                        lines = []
                        while (text := self.rfile.readline().decode()) != ".\r\n":
                            lines.append(text)
                        server.mails.append("".join(lines))
                    elif word.startswith("RCPT"):
                        server.to.append(line.partition("<")[2].partition(">")[0])
                    self.say("221 bye" if word.startswith("QUIT") else "250 ok")
                    if word.startswith("QUIT"):
                        return

            def say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    one = MailServer()
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_a_mail_arrives_and_its_subject_is_one_line(mail_server: MailServer) -> None:
    subject = "a fault\r\nBcc: victim@example.com"
    _outbound.send_mail(mail_server.host, "loop@example.com", ["kim@example.com"], subject, "Text äö\n", 2)
    (mail,) = mail_server.mails
    assert mail_server.to == ["kim@example.com"]
    head, _empty, body = mail.partition("\r\n\r\n")
    assert "Subject: a fault Bcc: victim@example.com" in head and "\nBcc:" not in head
    assert "Text" in body


def test_a_mail_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OutboundError, match=r"127\.0\.0\.1:1: "):
        _outbound.send_mail("127.0.0.1:1", "a@example.com", ["b@example.com"], "s", "t", 1)
