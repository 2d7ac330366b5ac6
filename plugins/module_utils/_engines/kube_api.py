# The API server of a Kubernetes cluster: one request at a time, or a whole list, with every failure as EngineError.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library ``kubernetes`` reads the kubeconfig, logs in and verifies the server; the objects stay plain JSON.

Its typed objects refuse what a server of another age leaves out, take ten times as long for a large fleet, and their
calls differ between its releases.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError

PAGE = 500
MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""One page of the largest objects is a tenth of that; more is a broken or hostile server."""

MAX_ITEMS = 1_000_000
FIELD_MANAGER = "aidc-ops"
"""Under this name the API server remembers which fields this collection has set."""

_CHUNK_BYTES = 256 * 1024
_CONNECTIONS = 16
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
_EXPIRED = 410


class ApiRefused(EngineError):
    """The API server answered, but with an error: its HTTP status, its text, and the reasons that it gives for it."""

    def __init__(self, message: str, status: int, text: str = "", causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.text = text
        self.causes = causes


class Api(Protocol):
    """What the engine needs of an API server. Every call raises EngineError, ApiRefused where the server says no."""

    def get(self, path: str) -> dict[str, Any]:
        """One object."""

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All objects of a list, or an error: never a part of it."""

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge ``body`` into an object; with metadata.resourceVersion only if it is still that one (else 409)."""

    def post(self, path: str, body: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Create something."""

    def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Delete an object; ``body`` holds the options."""


class KubeApi:
    """See Api. ``timeout`` bounds each request, in seconds.

    ``kubeconfig`` None: inside a pod its service account, elsewhere the usual file of the user who runs this.
    ``context`` None: the current one of the file. Nothing is read before the first request.
    """

    def __init__(self, kubeconfig: str | None, context: str | None, timeout: float) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: Any = None

    def get(self, path: str) -> dict[str, Any]:
        """See Api.get."""
        return self._request("GET", path)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """See Api.items. A list that expired between two pages is read once more from its beginning."""
        try:
            return self._items(path, query)
        except ApiRefused as error:
            if error.status != _EXPIRED:
                raise
            return self._items(path, query)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """See Api.patch."""
        query = {"fieldManager": FIELD_MANAGER}
        return self._request("PATCH", path, query, body, "application/merge-patch+json")

    def post(self, path: str, body: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """See Api.post."""
        return self._request("POST", path, {"dryRun": "All"} if dry_run else {}, body)

    def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """See Api.delete."""
        return self._request("DELETE", path, {}, body)

    def _items(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = {"limit": str(PAGE), **query, **({"continue": token} if token else {})}
            answer = self._request("GET", path, page)
            items, about = answer.get("items"), answer.get("metadata")
            if items is None and str(answer.get("kind")).endswith("List"):
                items = []
            if not isinstance(items, list) or not isinstance(about, dict):
                raise EngineError(f"Kubernetes answered {path} with something that is no list.")
            found.extend(items)
            before, token = token, about.get("continue") or ""
            if not token:
                break
            if token == before or not items or len(found) > MAX_ITEMS:
                raise EngineError(f"Kubernetes gives {path} in pages that do not end.")
        if about.get("remainingItemCount"):
            raise EngineError(f"Kubernetes gave only a part of {path}.")
        if not all(isinstance(item, dict) for item in found):
            raise EngineError(f"Kubernetes answered {path} with a list of something else.")
        return found

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> dict[str, Any]:
        client = self._open()
        headers = {"Accept": "application/json", "Content-Type": content, "User-Agent": FIELD_MANAGER}
        give_up_at = time.monotonic() + self._timeout
        try:
            for login in client.configuration.auth_settings().values():
                if login["in"] == "header" and login["value"]:
                    headers[login["key"]] = login["value"]
            answer = client.rest_client.pool_manager.request(
                method,
                client.configuration.host + path + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                text = self._read(answer, give_up_at)
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
        except EngineError:
            raise
        except Exception as error:
            # urllib3, ssl, socket, and whatever a login program of the kubeconfig raises: all of them mean "no answer".
            raise EngineError(
                f"Kubernetes at {client.configuration.host} cannot be asked: {type(error).__name__}: {plain(error)}"
            ) from error
        return self._understood(method, path, int(answer.status), text)

    def _read(self, answer: Any, give_up_at: float) -> bytes:
        """A socket's timeout starts again with each read, so all of it is measured."""
        content = bytearray()
        # urllib3 1 only has a read that waits until the chunk is full.
        read = getattr(answer, "read1", answer.read)
        while chunk := read(_CHUNK_BYTES):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise EngineError(f"The answer of Kubernetes is larger than {MAX_ANSWER_BYTES} bytes.")
            if time.monotonic() > give_up_at:
                raise EngineError(f"Kubernetes gave no complete answer within {self._timeout:g} s.")
        return bytes(content)

    def _understood(self, method: str, path: str, status: int, text: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError):
            answer = None
        if status // 100 == 2 and isinstance(answer, dict):
            return answer
        if status // 100 == 2:
            raise EngineError(f"Kubernetes answered {path} with something that is no JSON object.")
        said = answer if isinstance(answer, dict) else {}
        details = said.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        reasons = tuple(str(cause.get("reason")) for cause in causes or () if isinstance(cause, dict))
        message = plain(said.get("message") or "no reason given")
        hint = {
            401: " The login of the kubeconfig is not accepted: expired, or of another cluster.",
            403: " This user lacks rights; the guide on engines lists those that are needed.",
        }.get(status, "")
        raise ApiRefused(
            f"Kubernetes refused {method} {path} (HTTP {status}): {message}{hint}", status, message, reasons
        )

    def _open(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _client(self._kubeconfig, self._context)
            return self._client


def _client(kubeconfig: str | None, context: str | None) -> Any:
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise EngineError(
            f"The Python library 'kubernetes' is missing ({error}); install it for the controller's Python, "
            "for example with: pip install kubernetes"
        ) from error
    settings = client.Configuration()
    settings.connection_pool_maxsize = _CONNECTIONS
    try:
        if kubeconfig is None and os.environ.get(_IN_CLUSTER):
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=settings, persist_config=False
            )
        return client.ApiClient(configuration=settings)
    except Exception as error:
        # The library lets errors of YAML, files, certificates and login programs through as they are.
        where = kubeconfig or "of this user or pod"
        raise EngineError(f"The kubeconfig {where} cannot be used: {type(error).__name__}: {plain(error)}") from error


def plain(text: object) -> str:
    """A text from outside as one short line without control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())[:500]
