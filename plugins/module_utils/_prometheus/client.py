# Asks a Prometheus-compatible server, through prometheus-api-client.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place of the collection that talks to Prometheus. Every failure is a PrometheusError with the address.

Proxies and .netrc of the environment are not used: what is asked of whom is in the options.
"""

from __future__ import annotations

import os
import re
import ssl
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus import answers, times
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.session import make_session, without_collector

_RETRIES = 2
# An answer of 500 or 503 is the server's last word on a query; asking again would only load it more.
_RETRY_ON_STATUS = (429, 502)

_Read = t.TypeVar("_Read")


class PrometheusClient:
    """One server. Usable from several threads.

    *timeout* bounds each call, in seconds. With *allow_partial*, a server's warning that its answer lacks a part is
    kept in ``Answer.warnings`` instead of being an error.
    """

    def __init__(
        self,
        url: str,
        ca_path: str | None = None,
        client_cert: str | None = None,
        client_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        timeout: float = 30,
        headers: t.Mapping[str, str] | None = None,
        validate_certs: bool = True,
        allow_partial: bool = False,
    ) -> None:
        self.url = _checked_url(url)
        self.timeout = float(timeout)
        if self.timeout <= 0:
            raise PrometheusError(f"{self.url}: timeout must be above 0 seconds, not {timeout}")
        # The server gives up first, so that it can say so.
        self._server_timeout = f"{self.timeout * 0.9:g}"
        if token and (username or password):
            raise PrometheusError(f"{self.url}: give token, or username and password, not both")
        if client_key and not client_cert:
            raise PrometheusError(f"{self.url}: client_key is given without client_cert")
        for path in (ca_path, client_cert, client_key):
            if path and not os.access(path, os.R_OK):
                raise PrometheusError(f"{self.url}: the file {path} is missing or may not be read")
        connect, requests, urllib3 = _libraries()
        self._session = make_session(requests, self.timeout, allow_partial)
        # Else an entry in .netrc would replace the token.
        self._session.trust_env = False
        self._session.verify = (ca_path or _system_authorities()) if validate_certs else False
        if not validate_certs:
            # It was asked for; a warning at each call would hide others.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session.cert = (client_cert, client_key) if client_key else client_cert
        self._session.headers.update({str(name): str(value) for name, value in (headers or {}).items()})
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        if username or password:
            self._session.auth = (_bytes(username), _bytes(password))
        # The wait that a 429 asks for could be an hour.
        retries = urllib3.util.Retry(
            total=_RETRIES,
            backoff_factor=0.3,
            status_forcelist=_RETRY_ON_STATUS,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self._connection = connect(url=self.url, retry=retries, session=self._session, timeout=self.timeout)

    def query(self, expr: str, time: float | None = None) -> answers.Answer:
        """The value of a PromQL expression now, or at *time* in seconds since the epoch."""
        parameters = {"query": expr, "timeout": self._server_timeout}
        if time is not None:
            parameters["time"] = f"{time:.3f}"
        return self._query("query", parameters, expr)

    def samples(self, expr: str, time: float | None = None) -> list[answers.Sample]:
        """The samples of an expression that gives a vector or a scalar."""
        answer = self.query(expr, time)
        if answer.kind not in ("vector", "scalar"):
            raise PrometheusError(f"{self.url}: {expr!r:.200} gives a {answer.kind}, not one value for each series")
        return answer.samples

    def query_range(self, expr: str, start: float, end: float, step: float) -> answers.Answer:
        """The values of an expression from *start* to *end*, every *step* seconds.

        More points than the server gives at once are asked for in parts and put together.
        """
        if step < 0.001:
            raise PrometheusError(f"{self.url}: the step must be at least a millisecond, not {step} s")
        try:
            parts = times.windows(start, end, step)
        except ValueError as exc:
            raise PrometheusError(f"{self.url}: {exc}") from exc
        found, warnings = [], []
        for first, last in parts:
            parameters = {
                "query": expr,
                "start": f"{first:.3f}",
                "end": f"{last:.3f}",
                "step": f"{step:.3f}",
                "timeout": self._server_timeout,
            }
            part = self._query("query_range", parameters, expr)
            found.append(part.series)
            warnings += [text for text in part.warnings if text not in warnings]
        return answers.Answer("matrix", [], answers.join_series(found), None, warnings)

    def targets(self) -> list[answers.Target]:
        """Everything the server scrapes now."""
        return self._read("targets", answers.read_targets, self._connection.get_targets(state="active"))

    def alerts(self) -> list[answers.Alert]:
        """The alerts that are pending or firing."""
        return self._read("alerts", answers.read_alerts, self._get("alerts", {})["data"])

    def rules(self) -> list[dict[str, t.Any]]:
        """The rule groups, as the API gives them."""
        return self._read("rules", lambda data: list(data["groups"]), self._get("rules", {})["data"])

    def label_values(self, label: str) -> list[str]:
        """All values that a label has."""
        return self._read("label values", list, self._connection.get_label_values(label))

    def series(self, match: str, start: float, end: float) -> list[answers.Labels]:
        """The labels of all series that match a selector between two times."""
        parameters = {"match[]": match, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        return self._read("series", lambda data: [dict(item) for item in data], self._get("series", parameters)["data"])

    def _query(self, path: str, parameters: dict[str, str], expr: str) -> answers.Answer:
        # Not the library's custom_query and custom_query_range: they drop the kind of the result and the warnings, and
        # round times to seconds.
        try:
            envelope = self._get(path, parameters)
        except PrometheusError as exc:
            raise PrometheusError(f"{exc} (asked for {expr!r:.200})") from exc.__cause__
        warnings = [str(text) for text in envelope.get("warnings") or []]
        return self._read(path, lambda data: answers.read_answer(data, warnings), envelope["data"])

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, t.Any]:
        reply = self._session.request("GET", f"{self.url}/api/v1/{path}", params=parameters)
        return t.cast("dict[str, t.Any]", reply.json())

    def _read(self, what: str, read: t.Callable[[t.Any], _Read], data: t.Any) -> _Read:
        try:
            with without_collector():
                return read(data)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise PrometheusError(f"{self.url}: {what}: {exc if isinstance(exc, ValueError) else repr(exc)}") from exc


def now() -> float:
    """The time on this machine; Prometheus evaluates at its own if no time is given."""
    return time.time()


def public_url(url: str | None) -> str:
    """An address that may be shown: a login in it is left out."""
    return re.sub(r"//.*@", "//", str(url or "").strip(), count=1)


def _checked_url(url: str) -> str:
    shown = public_url(url)
    if shown != str(url or "").strip():
        raise PrometheusError(f"the address of {shown} has a login in it; use username and password")
    parts = urlsplit(shown)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PrometheusError(f"{shown!r} is not the address of a Prometheus server such as http://monitor:9090")
    if parts.query or parts.fragment:
        raise PrometheusError(f"{shown!r} has a query or fragment; give the address of the server only")
    return parts.geturl().rstrip("/")


def _bytes(text: str | None) -> bytes:
    """requests encodes text as Latin-1; servers expect UTF-8."""
    return (text or "").encode()


def _system_authorities() -> str | bool:
    """The certificates that this machine trusts. requests brings its own list, without the site's authority."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _libraries() -> tuple[t.Any, t.Any, t.Any]:
    try:
        import requests
        import urllib3
        from prometheus_api_client.prometheus_connect import PrometheusConnect
    except ImportError as exc:
        raise PrometheusError(
            f"the Python package prometheus-api-client cannot be imported ({exc}); install it for the Python that runs"
            " this: Ansible's own for lookups and inventories, ansible_python_interpreter for a module"
        ) from exc
    return PrometheusConnect, requests, urllib3
