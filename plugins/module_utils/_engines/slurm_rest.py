# Slurm's nodes through its REST service, slurmrestd.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible.module_utils.urls import open_url

from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_json import SlurmNode, complain, parse
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

Answer = TypeVar("Answer")

MAX_ANSWER_BYTES = 512 * 1024 * 1024
"""A node is 3 KiB; a hundred times the largest cluster is a broken or hostile server."""

_CHUNK_BYTES = 256 * 1024
_NODES = re.compile(r"/slurm/(?P<version>v(?P<number>[0-9]+\.[0-9]+\.[0-9]+))/nodes/?")
_TOKEN = re.compile(r"[A-Za-z0-9_.=+/-]+")
_USER = re.compile(r"[A-Za-z0-9_.@$-]+")
_VERSION = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+")


@dataclass(frozen=True)
class SlurmRest:
    """Where slurmrestd is and who asks, within ``timeout`` seconds. Without ``version``: the newest that it serves."""

    url: str
    user: str
    token: str = field(repr=False)
    version: str | None = None
    timeout: float = 30
    validate_certs: bool = True
    ca_path: str | None = None

    def nodes(self) -> list[SlurmNode]:
        """All nodes; EngineError unless the service gives them."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise EngineError("The URL of slurmrestd has to look like https://slurm.example.com:6820")
        if parts.username or parts.password:
            raise EngineError("The URL of slurmrestd holds a user; give user and token as options of their own")
        if not _TOKEN.fullmatch(self.token):
            raise EngineError("slurmrestd needs a token, as scontrol token prints it behind the equals sign")
        if not _USER.fullmatch(self.user):
            raise EngineError(f"{self.user!r:.40} is not the name of a user")
        if self.version is not None and not _VERSION.fullmatch(self.version):
            raise EngineError(f"{self.version!r:.40} is no version of Slurm's REST API, such as v0.0.41")
        give_up_at = time.monotonic() + self.timeout
        version = self.version or self._get("openapi/v3", newest_version, give_up_at)
        return self._get(f"slurm/{version}/nodes", parse, give_up_at)

    def _get(self, path: str, understand: Callable[[str], Answer], give_up_at: float) -> Answer:
        """What is understood of an answer. A socket's timeout starts again with each read, so all of it is measured."""
        name = f"{self.url.rstrip('/')}/{path}"
        try:
            answer = open_url(
                name,
                headers={
                    "Accept": "application/json",
                    "X-SLURM-USER-NAME": self.user,
                    "X-SLURM-USER-TOKEN": self.token,
                },
                timeout=max(0.1, give_up_at - time.monotonic()),
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                use_proxy=False,
                follow_redirects="no",
            )
            return understand(self._read(answer, give_up_at).decode("utf-8"))
        except EngineError as error:
            raise EngineError(f"{name}: {error}") from error
        except urllib.error.HTTPError as error:
            raise EngineError(f"{name}: {_refusal(error, self.user)}") from error
        except Exception as error:
            # open_url raises ssl, socket, http.client and urllib errors, and its own: all of them mean "no answer".
            raise EngineError(f"{name}: {type(error).__name__}: {error}") from error

    def _read(self, answer: Any, give_up_at: float) -> bytes:
        content = bytearray()
        while chunk := answer.read(_CHUNK_BYTES):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise EngineError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > give_up_at:
                raise EngineError(f"no complete answer within {self.timeout:g} s")
        return bytes(content)


def _refusal(error: urllib.error.HTTPError, user: str) -> str:
    if error.code in (401, 403):
        return f"HTTP {error.code}: the token of {user} is not accepted (expired, or of another user or cluster)"
    if 300 <= error.code < 400:
        return f"HTTP {error.code}: it sends on to somewhere else, where the token must not go; name the right URL"
    try:
        complain(json.loads(error.read(_CHUNK_BYTES)))
    except EngineError as told:
        return f"HTTP {error.code}: {told} (is the token of {user} valid, and does slurmctld run?)"
    except (AttributeError, ValueError, OSError):
        pass
    return f"HTTP {error.code}: {error.reason}"


def newest_version(description: str) -> str:
    """The newest version of the API whose nodes are in the service's own description of itself."""
    try:
        paths = list(json.loads(description)["paths"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise EngineError("slurmrestd does not describe its API; set the version of the API") from error
    found = [match for match in map(_NODES.fullmatch, paths) if match]
    if not found:
        raise EngineError("slurmrestd serves no nodes; is its plugin openapi/slurmctld loaded?")
    newest = max(found, key=lambda match: tuple(int(part) for part in match["number"].split(".")))
    return newest["version"]
