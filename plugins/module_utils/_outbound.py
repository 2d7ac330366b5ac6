# Sends JSON and mail out of the controller: verified, bounded in time, and never with a secret in an error.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# The answer is read for its first words only; nobody needs more of it.
_ANSWER_BYTES = 2000


class OutboundError(AidcOpsError):
    """What should have been sent was not; names the endpoint without what may be secret in its address."""


def bounded(calls: Mapping[str, Callable[[], None]], seconds: float) -> dict[str, str | None]:
    """Run all calls at the same time, for ``seconds`` at most in all; why each failed, None where it did not.

    Time-outs of sockets do not bound a call: names are looked up without one, and each read starts it again. What
    does not end in time is left behind in a thread that dies with the process.
    """
    outcome: dict[str, str | None] = {}

    def run(name: str, call: Callable[[], None]) -> None:
        try:
            call()
            outcome[name] = None
        except Exception as error:
            outcome[name] = str(error) or type(error).__name__

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in calls.items()]
    give_up_at = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    return {name: outcome.get(name, late) for name in calls}


def check_url(url: str) -> None:
    """OutboundError unless the address is https, or http on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise OutboundError(f"{shown_url(url)}: only https:// is allowed, and http:// to this machine itself")


def shown_url(url: str) -> str:
    """The address without user, password, query and path: some webhooks have their secret there."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    return f"{parts.scheme}://{host}{':' + str(parts.port) if parts.port else ''}"


def read_token(path: str) -> str:
    """The token in a file, without the end of its line. OutboundError names the file, never what is in it."""
    try:
        with open(path, encoding="utf-8") as stream:
            token = stream.read(10_000).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise OutboundError(f"The token file {path} cannot be read: {reason}") from None
    if not token or any(letter.isspace() for letter in token):
        raise OutboundError(f"The token file {path} has to hold one token and nothing else")
    return token


def post_json(
    url: str,
    content: Mapping[str, Any],
    key: str,
    timeout: float,
    token: str | None = None,
    ca_path: str | None = None,
) -> None:
    """POST ``content`` as JSON. ``key`` is the same for every delivery of the same thing. OutboundError on any failure.

    Redirects are not followed: they would carry the token to whoever they name.
    """
    check_url(url)
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = open_url(
            url,
            method="POST",
            data=json.dumps(content).encode(),
            headers=headers,
            timeout=timeout,
            ca_path=ca_path,
            follow_redirects="none",
            http_agent="aidc.ops",
        )
        answer.read(_ANSWER_BYTES)
    except Exception as error:
        # open_url raises errors of ssl, socket, http.client and urllib, and its own; their texts may hold the address.
        status = getattr(error, "code", None)
        reason = f"it answered {status}" if status else str(getattr(error, "reason", "") or type(error).__name__)
        raise OutboundError(f"{shown_url(url)}: {reason.replace(url, shown_url(url))}") from None


def send_mail(host: str, sender: str, to: Sequence[str], subject: str, text: str, timeout: float) -> None:
    """Hand a mail over to ``host`` ("name" or "name:port"). OutboundError on any failure.

    A host that offers STARTTLS is asked for it, and its certificate has to be trusted; not on this machine itself.
    """
    name, colon, port = host.rpartition(":")
    name, number = (name, port) if colon and port.isdigit() else (host, "25")
    message = EmailMessage()
    # A line end in a header would begin another header.
    message["Subject"] = " ".join(subject.split())[:200]
    message["From"], message["To"] = sender, ", ".join(to)
    message.set_content(text)
    try:
        with smtplib.SMTP(name, int(number), timeout=timeout) as server:
            server.ehlo()
            if name not in _LOOPBACK and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise OutboundError(f"{host}: {error}") from None
