# One HTTP request, bounded in time and size, for plugins that must not cost a run anything.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Built on http.client, for ansible.module_utils.urls alone takes 30 ms to import: 3 % of a run of one second.

No proxy is used and no redirect is followed, so that a token goes to no other server than the one it is for.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ssl
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

_CHUNK_BYTES = 256 * 1024


class HttpError(Exception):
    """There was no complete answer that says yes; the text names the server, and nothing that is secret."""


@dataclass(frozen=True)
class Access:
    """How a server lets us in. Files are read for each request: a renewed token or certificate counts at once."""

    token_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    client_cert: str = ""
    client_key: str = ""


def request(
    method: str,
    url: str,
    body: bytes | None,
    timeout: float,
    access: Access = Access(),
    content_type: str = "application/json",
    max_bytes: int = 1024 * 1024,
) -> bytes:
    """Return the body of the answer. *timeout* is in seconds, for all of it.

    Only the look-up of the server's name, and a server that sends its headers byte by byte, may take longer.
    """
    # A name and a password in front of the host, and the query, have no place in a message.
    parts = urllib.parse.urlsplit(url)
    name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    try:
        if "@" in parts.netloc:
            raise HttpError("give the password in a file, not in the address")
        return _request(method, parts, body, time.monotonic() + timeout, access, content_type, max_bytes)
    except HttpError as exc:
        raise HttpError(f"{name}: {exc}") from exc
    except TimeoutError as exc:
        raise HttpError(f"{name}: no complete answer within {timeout:.2g} s") from exc
    except Exception as exc:
        # Errors of sockets, of TLS, of HTTP, of a port that is no number, of a file that cannot be read: no answer.
        raise HttpError(f"{name}: {type(exc).__name__}: {exc}") from exc


def _request(
    method: str,
    parts: urllib.parse.SplitResult,
    body: bytes | None,
    give_up_at: float,
    access: Access,
    content_type: str,
    max_bytes: int,
) -> bytes:
    def left() -> float:
        # A socket's timeout starts again with each read, so the whole answer is measured too.
        seconds = give_up_at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    with contextlib.closing(_connection(parts, left(), access)) as connection:
        connection.connect()
        connection.sock.settimeout(left())
        target = parts.path or "/"
        headers = {"Content-Type": content_type, "Connection": "close", **_authorization(access)}
        connection.request(method, f"{target}?{parts.query}" if parts.query else target, body, headers)
        # http.client lets go of the socket when an answer is to be the last one; what is read still comes through it.
        socket = connection.sock
        answer = connection.getresponse()
        content = b""
        socket.settimeout(left())
        while chunk := answer.read1(_CHUNK_BYTES):
            content += chunk
            if len(content) > max_bytes:
                raise HttpError(f"the answer is larger than {max_bytes} bytes")
            socket.settimeout(left())
        if answer.length:
            raise HttpError("the answer was cut off")
    if not 200 <= answer.status < 300:
        said = "".join(c if c.isprintable() else " " for c in content[:200].decode(errors="replace"))
        raise HttpError(f"HTTP status {answer.status} {said}".strip())
    return content


def _connection(parts: urllib.parse.SplitResult, timeout: float, access: Access) -> http.client.HTTPConnection:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HttpError("not an address that begins with http:// or https://")
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    context = ssl.create_default_context(cafile=access.ca_file or None)
    if access.client_cert:
        context.load_cert_chain(access.client_cert, access.client_key or None)
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)


def _authorization(access: Access) -> dict[str, str]:
    if access.token_file:
        return {"Authorization": f"Bearer {_secret(access.token_file)}"}
    if access.username:
        pair = f"{access.username}:{_secret(access.password_file) if access.password_file else ''}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _secret(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        text = file.read(64 * 1024).strip()
    if not text or not text.isprintable():
        raise HttpError(f"{path} does not hold one line of text")
    return text


def access_from(option: t.Callable[[str], t.Any]) -> Access:
    """Return the access that the options of a plugin describe; *option* returns the value of one by its name."""
    return Access(**{name: str(option(name) or "") for name in Access.__dataclass_fields__})
