# Talks to one Redfish service through the library sushy: log in, read documents, log out.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sushy does the protocol; what is added here keeps a stranger's answers harmless.

* Every request ends in time, and no answer grows without limit. sushy alone repeats a request that got no answer three
  times, and takes any amount of data.
* The session and the password go to no other host: redirects are not followed, environment proxies and .netrc are not
  used.
* A wrong password is sent once: a BMC locks accounts. sushy alone tries it again with each request.
* The session is closed at the end. A BMC has only a few, and one that is left open lasts for minutes.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import ssl
import typing as t

from .bmc_errors import Clock, MissingProgram, PartError, Refused, Silent
from .redfish_values import Doc, clean, link, mapping

ROOT = "/redfish/v1/"
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""An event log of thousands of entries has a few megabytes."""

_CHUNK_BYTES = 64 * 1024
# The time limit of the reading may be used up, the session has to be closed all the same.
_LOGOUT_SECONDS = 9.0


class Access(t.NamedTuple):
    """Where a BMC is and how it lets us in; without a user name nobody logs in."""

    address: str
    port: int | None = None
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}" + (f":{self.port}" if self.port else "")


class RedfishClient:
    """An open Redfish service; use it in a C(with) block."""

    def __init__(self, access: Access, clock: Clock) -> None:
        sushy = _library()
        self._access = access
        self._clock = clock
        self._connector = _bounded_connector(sushy, access, clock)
        self._auth = _auth(sushy, access)
        try:
            self.root: Doc = self._open(sushy, access)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RedfishClient:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def get(self, path: str) -> tuple[Doc, bool]:
        """Return the document behind a path, and whether it was proper UTF-8; PartError if there is none.

        Refused if the password that goes with each request is wrong: it would be refused as often as it is sent.
        """
        try:
            response = self._connector.get(path)
        except PartError:
            raise
        except Exception as exc:
            if getattr(exc, "status_code", None) == 401 and self._auth.get_session_key() is None:
                raise Refused(_credentials_text(self._access, exc)) from exc
            raise _part_error(exc, self._clock) from exc
        if response.status_code != 200:
            raise PartError(f"the BMC answers with HTTP status {response.status_code}")
        return decode(response.content)

    def close(self) -> None:
        """Log out and hang up. A BMC that no longer answers keeps the session until it times out there."""
        self._connector.clock = Clock(_LOGOUT_SECONDS)
        try:
            self._auth.close()
        except Exception:
            # Or the library tries once more when it forgets the object.
            self._auth.reset_session_attrs()
        self._connector.close()

    def _open(self, sushy: t.Any, access: Access) -> Doc:
        """Read the service root and log in; Silent or Refused if that fails."""
        try:
            try:
                root = sushy.Sushy(access.url, auth=self._auth, connector=self._connector)
            except sushy.exceptions.AccessError:
                if self._auth.tried or access.username is None:
                    raise
                # The service hides even its root, against the standard.
                self._connector.set_http_basic_auth(access.username, access.password)
                root = sushy.Sushy(access.url, auth=self._auth, connector=self._connector)
        except sushy.exceptions.AccessError as exc:
            raise Refused(_credentials_text(access, exc)) from exc
        except sushy.exceptions.ConnectionError as exc:
            reason, untrusted = connection_reason(exc, self._clock)
            if untrusted:
                raise Refused(
                    f"{access.url}: its certificate is not trusted: {reason}. Name the authority's certificate with "
                    "ca_path, or, if you accept the risk, switch the check off with validate_certs"
                ) from exc
            raise Silent(f"{access.url}: {reason}") from exc
        except sushy.exceptions.ResourceNotFoundError as exc:
            raise Silent(f"{access.url}: there is a web server, but no Redfish service") from exc
        except PartError as exc:
            raise Silent(f"{access.url}: {exc}") from exc
        except (sushy.exceptions.SushyError, ValueError, TypeError, AttributeError, RecursionError) as exc:
            raise Silent(f"{access.url}: no usable Redfish service root: {clean(str(exc), 300)}") from exc
        return mapping(root.json)


def decode(content: bytes) -> tuple[Doc, bool]:
    """Return a JSON object from bytes, and whether they were proper UTF-8; PartError if it is none."""
    proper = True
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        # One wrong byte in one name should not hide the machine; the reader is told.
        text, proper = content.decode("utf-8", "replace"), False
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise PartError(f"the answer is not JSON, or is cut off: {clean(str(exc), 200)}") from exc
    if not isinstance(found, dict):
        raise PartError("the answer is not a JSON object")
    return found, proper


def connection_reason(exc: BaseException, clock: Clock) -> tuple[str, bool]:
    """Return why there was no answer, and whether it was a certificate that is not trusted."""
    import requests

    cause = exc.__context__ or exc
    if isinstance(cause, requests.exceptions.Timeout):
        return f"no answer within {clock.granted:.3g} s", False
    inner = _innermost(cause)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return clean(inner.verify_message, 300) or "it cannot be verified", True
    text = clean(getattr(inner, "strerror", None) or str(inner), 300) or type(inner).__name__
    if isinstance(cause, requests.exceptions.SSLError):
        return f"no TLS connection ({text}); the BMC may be too old for what this machine permits", False
    return f"no connection: {text}", False


def _innermost(exc: BaseException) -> BaseException:
    """Return the exception at the bottom; libraries wrap it in several of theirs."""
    seen = {id(exc)}
    while True:
        inner = [getattr(exc, "reason", None), exc.__cause__, exc.__context__, *getattr(exc, "args", ())]
        deeper = next((item for item in inner if isinstance(item, BaseException) and id(item) not in seen), None)
        if deeper is None:
            return exc
        seen.add(id(deeper))
        exc = deeper


def _part_error(exc: Exception, clock: Clock) -> PartError:
    """Return what went wrong with one request, as one line."""
    status = getattr(exc, "status_code", None)
    if status in (401, 403):
        return PartError(f"access denied (HTTP status {status}); the account may lack a privilege")
    if status is not None:
        detail = clean(getattr(exc, "detail", None), 300)
        return PartError(f"the BMC answers with HTTP status {status}" + (f": {detail}" if detail else ""))
    reason, _untrusted = connection_reason(exc, clock)
    return PartError(reason, silent=True)


def _credentials_text(access: Access, exc: t.Any) -> str:
    who = f"user {access.username}" if access.username else "requests without a login (no username given)"
    return f"{access.url}: access denied for {who} (HTTP status {exc.status_code})"


@functools.lru_cache(maxsize=None)
def _library() -> t.Any:
    """Return the library, imported only now: who uses IPMI does not need it."""
    try:
        import sushy
        import sushy.auth
        import sushy.connector
    except ImportError as exc:
        raise MissingProgram(f"the Python package sushy is missing ({exc}): install it (pip install sushy)") from exc
    # The library logs what we already report.
    logger = logging.getLogger("sushy")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return sushy


def _bounded_connector(sushy: t.Any, access: Access, clock: Clock) -> t.Any:
    class BoundedConnector(sushy.connector.Connector):
        """sushy's connector, without its repetitions and within the time limit."""

        def _op(self, method: str, path: str = "", **options: t.Any) -> t.Any:
            if not path.startswith("/") or path.startswith("//"):
                raise PartError("the BMC refers to another host; that is not followed")
            options.update(
                timeout=self.clock.request(),
                server_side_retries_left=0,
                allow_reauth=False,
                allow_redirects=False,
                stream=True,
            )
            return super()._op(method, path, **options)

    # With 0 the library takes its own number of repetitions.
    try:
        connector = BoundedConnector(access.url, verify=access.validate_certs, server_side_retries=1)
    except TypeError as exc:
        raise MissingProgram(f"the Python package sushy is too old ({exc}): 5.3 or newer is needed") from exc
    connector.clock = clock
    session = connector._session
    if access.validate_certs:
        session.mount("https://", _adapter(_trust(access.ca_path)))
    session.trust_env = False
    # The library hangs up after each request. Ours are many in a short time, and each connection costs a handshake.
    session.headers.pop("Connection", None)
    session.hooks["response"].append(_read_bounded)
    return connector


@functools.lru_cache(maxsize=None)
def _trust(ca_path: str | None) -> ssl.SSLContext:
    """Return what certificates are checked with: the file or folder, or what OpenSSL trusts on this system."""
    try:
        if ca_path is not None and os.path.isdir(ca_path):
            return ssl.create_default_context(capath=ca_path)
        return ssl.create_default_context(cafile=ca_path)
    except OSError as exc:
        raise Refused(f"the certificates in {ca_path} cannot be read: {exc.strerror or exc}") from exc


def _adapter(context: ssl.SSLContext) -> t.Any:
    import requests.adapters

    class SharedTrustAdapter(requests.adapters.HTTPAdapter):
        """One set of trusted certificates for all BMCs: reading those of a system takes longer than asking a BMC."""

        def init_poolmanager(self, *args: t.Any, **options: t.Any) -> t.Any:
            return super().init_poolmanager(*args, ssl_context=context, **options)

        def build_connection_pool_key_attributes(self, request: t.Any, verify: t.Any, cert: t.Any = None) -> t.Any:
            host, _options = super().build_connection_pool_key_attributes(request, verify, cert)
            return host, {"ssl_context": context}

        def cert_verify(self, *_unused: t.Any) -> None:
            """Nothing is added to the shared context."""

    return SharedTrustAdapter()


def _read_bounded(response: t.Any, **_unused: t.Any) -> None:
    """Read the body of an answer, up to the limit; an exception of requests ends the request as any other failure."""
    import requests

    chunks, size = [], 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            response.close()
            raise requests.exceptions.ContentDecodingError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    # What the attribute "content" would have done, without a limit.
    response._content = b"".join(chunks)


def _auth(sushy: t.Any, access: Access) -> t.Any:
    class SessionWhereOffered(sushy.auth.SessionAuth):
        """A session if the service has them, else the password with each request; nothing without a user name."""

        tried = False

        def _do_authenticate(self) -> None:
            self.tried = True
            root = mapping(self._root_resource.json)
            if access.username is None:
                return
            if link(mapping(root.get("Links")).get("Sessions")) or link(root.get("SessionService")):
                try:
                    super()._do_authenticate()
                    self._session_resource_id: str | None = _own_path(self.get_session_resource_id())
                    return
                except sushy.exceptions.HTTPError as exc:
                    if exc.status_code in (401, 403):
                        raise
                    # The service announces sessions but has none to give (all in use, or not implemented).
            self._connector.set_http_basic_auth(access.username, access.password)

    return SessionWhereOffered(access.username, access.password)


def _own_path(uri: str | None) -> str | None:
    """Return the path of the session's address: the token is for the host that gave it, whatever the address says."""
    if uri is None:
        return None
    from urllib.parse import urlsplit

    path = urlsplit(uri).path
    return path if path.startswith("/") and not path.startswith("//") else None
