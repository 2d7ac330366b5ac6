# Tests of the listener on real sockets: TLS, token, limits, slow and broken senders.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import socket
import ssl
import typing as t
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health, hook_server
from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils.hook_server import PATHS, Answer
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import WebhookSettings
from ansible_collections.aidc.ops.plugins.module_utils._errors import SettingsError

TOKEN = "a-token-of-many-characters"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


class Receiver:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes, bytes]] = []
        self.answer = Answer(202, "taken")
        self.error: Exception | None = None

    def needs_token(self, path: str) -> bool:
        return path != "redfish"

    async def receive(self, path: str, body: bytes, secret: bytes) -> Answer:
        self.received.append((path, body, secret))
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_values", {})


@pytest.fixture
def options(tmp_path: Path) -> WebhookSettings:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    return WebhookSettings(port=_free_port(), token_file=str(token), max_bytes=10_000)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def listening(options: WebhookSettings, receiver: Receiver) -> t.AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(hook_server.listen(options, PATHS, receiver))
    try:
        for _try in range(200):
            if task.done():
                task.result()
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.01)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)


async def post(
    options: WebhookSettings, path: str, body: bytes = b"{}", tls: ssl.SSLContext | None = None, **headers: str
) -> tuple[int, str]:
    scheme = "http" if tls is None else "https"
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{scheme}://127.0.0.1:{options.port}/{path}", data=body, headers=headers or GOOD, ssl=tls or True
        ) as answer,
    ):
        assert answer.headers.get("Connection") == "close"
        return answer.status, await answer.text()


def refusals() -> dict[str, float]:
    return {
        "/".join(value for _name, value in key[1]): number
        for key, number in health._values.items()
        if key[0] == "hints_refused_total"
    }


def test_a_body_with_the_token_is_received(options: WebhookSettings) -> None:
    receiver = Receiver()

    async def run() -> None:
        async with listening(options, receiver):
            assert await post(options, "zabbix", b"body") == (202, "taken")
            assert await post(options, "redfish", b"body", Accept="*/*") == (202, "taken")

    asyncio.run(run())
    assert receiver.received == [("zabbix", b"body", TOKEN.encode()), ("redfish", b"body", TOKEN.encode())]
    assert 'aidc_remediation_hints_total{path="zabbix",status="202"} 1' in health.render()


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "reason"),
    [
        ("zabbix", {"Accept": "*/*"}, b"{}", 401, "zabbix/bad_token"),
        ("zabbix", {"Authorization": "Bearer "}, b"{}", 401, "zabbix/bad_token"),
        ("zabbix", {"Authorization": f"Bearer {TOKEN}x"}, b"{}", 401, "zabbix/bad_token"),
        ("zabbix", {"Authorization": f"Basic {TOKEN}"}, b"{}", 401, "zabbix/bad_token"),
        ("zabbix", {"Authorization": "Bearer \udcff"}, b"{}", 401, "zabbix/bad_token"),
        ("zabbix", GOOD, b"x" * 10_001, 413, "zabbix/too_large"),
        ("zabbix", {**GOOD, "Content-Encoding": "gzip"}, b"{}", 400, "zabbix/encoded"),
        ("none", GOOD, b"{}", 404, "other/unknown_path"),
        ("a/b", GOOD, b"{}", 404, "other/bad_request"),
    ],
)
def test_what_is_refused_is_told_and_counted(
    options: WebhookSettings, path: str, headers: dict[str, str], body: bytes, status: int, reason: str
) -> None:
    receiver = Receiver()

    async def run() -> None:
        async with listening(options, receiver):
            assert (await post(options, path, body, **headers))[0] == status

    asyncio.run(run())
    assert receiver.received == [] and refusals() == {reason: 1}


def test_a_chunked_body_is_measured_as_it_comes(options: WebhookSettings) -> None:
    async def endless() -> t.AsyncIterator[bytes]:
        for _chunk in range(1000):
            yield b"x" * 1000

    async def run() -> None:
        async with listening(options, Receiver()), aiohttp.ClientSession() as session:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                url = f"http://127.0.0.1:{options.port}/nagios"
                async with session.post(url, data=endless(), headers=GOOD) as answer:
                    assert answer.status == 413

    asyncio.run(run())
    assert refusals() == {"nagios/too_large": 1}


def test_a_refusal_of_the_receiver_is_passed_on_and_its_failure_kept_inside(options: WebhookSettings) -> None:
    receiver = Receiver()
    receiver.answer = Answer(429, "", "full")

    async def run() -> None:
        async with listening(options, receiver):
            assert (await post(options, "nagios"))[0] == 429
            receiver.error = RuntimeError("a secret detail")
            status, text = await post(options, "nagios")
            assert status == 500 and "secret" not in text
            receiver.error = None
            receiver.answer = Answer(202, "taken")
            assert (await post(options, "nagios"))[0] == 202

    asyncio.run(run())
    assert refusals() == {"nagios/full": 1, "nagios/error": 1}


def test_only_post(options: WebhookSettings) -> None:
    async def run() -> None:
        async with (
            listening(options, Receiver()),
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{options.port}/zabbix", headers=GOOD) as answer,
        ):
            assert answer.status == 405

    asyncio.run(run())


def test_too_many_requests(options: WebhookSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_server, "REQUESTS_AT_ONCE", 3.0)
    monkeypatch.setattr(hook_server, "REQUESTS_PER_SECOND", 0.001)

    async def run() -> None:
        async with listening(options, Receiver()):
            answers = [(await post(options, "grafana"))[0] for _request in range(5)]
            assert answers == [202, 202, 202, 429, 429]

    asyncio.run(run())
    assert refusals() == {"grafana/rate": 2}


@pytest.mark.parametrize("start", [b"", b"POST /zabbix HTTP/1.1\r\nHost: x\r\n", b"head and body"])
def test_who_sends_slowly_loses_the_connection(
    options: WebhookSettings, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(hook_server, "CONNECTION_SECONDS", 0.3)
    if start == b"head and body":
        start = (
            f"POST /zabbix HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n12".encode()
        )

    async def run() -> None:
        async with listening(options, Receiver()):
            reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
            writer.write(start)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            assert (await post(options, "zabbix"))[0] == 202

    asyncio.run(run())
    assert refusals()["other/slow"] == 1


def test_what_is_no_http_is_counted(options: WebhookSettings) -> None:
    async def run() -> None:
        async with listening(options, Receiver()):
            reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
            writer.write(b"\x16\x03\x01 hello\r\n\r\n")
            assert b"400" in await asyncio.wait_for(reader.read(), 5)
            writer.close()

    asyncio.run(run())
    assert refusals() == {"other/no_http": 1}


def test_connections_are_limited(options: WebhookSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_server, "CONNECTIONS", 2)

    async def run() -> None:
        async with listening(options, Receiver()):
            await asyncio.sleep(0.05)
            held = [await asyncio.open_connection("127.0.0.1", options.port) for _number in range(2)]
            await asyncio.sleep(0.05)
            with pytest.raises(aiohttp.ClientError):
                await post(options, "zabbix")
            for _reader, writer in held:
                writer.close()
            await asyncio.sleep(0.05)
            assert (await post(options, "zabbix"))[0] == 202

    asyncio.run(run())
    assert refusals()["other/connections"] >= 1


def test_it_ends_at_once_and_gives_its_port_free(options: WebhookSettings) -> None:
    async def run() -> None:
        async with listening(options, Receiver()) as task:
            _reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
            began = asyncio.get_running_loop().time()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert asyncio.get_running_loop().time() - began < 3
            writer.close()
        async with listening(options, Receiver()):
            assert (await post(options, "zabbix"))[0] == 202

    asyncio.run(run())


# --- TLS -------------------------------------------------------------------------------------------------------------


class Authority:
    """Signs certificates for a test."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.path = root / "ca.crt"
        self.path.write_bytes(self._sign(self._name, self._key, True).public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str) -> tuple[str, str]:
        """Paths of a new certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, False)
        paths = self._root / f"{name}.crt", self._root / f"{name}.key"
        paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(paths[0]), str(paths[1])

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, is_authority: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def client(authority: Authority, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.path))
    context.check_hostname = False
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def test_tls(options: WebhookSettings, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_server, "CONNECTION_SECONDS", 0.5)
    certificate, key = authority.certificate("server")
    options = dataclasses.replace(options, certificate=certificate, key=key)

    async def run() -> None:
        async with listening(options, Receiver()):
            assert (await post(options, "zabbix", tls=client(authority)))[0] == 202
            # Plain HTTP and a handshake that never ends get nowhere.
            with pytest.raises(aiohttp.ClientError):
                await post(options, "zabbix")
            _reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
            await asyncio.sleep(1.0)
            writer.close()
            assert (await post(options, "zabbix", tls=client(authority)))[0] == 202

    asyncio.run(run())
    assert refusals()["other/handshake"] >= 1


def test_clients_may_have_to_show_a_certificate(options: WebhookSettings, authority: Authority) -> None:
    certificate, key = authority.certificate("server")
    options = dataclasses.replace(options, certificate=certificate, key=key, client_ca=str(authority.path))

    async def run() -> None:
        async with listening(options, Receiver()):
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await post(options, "zabbix", tls=client(authority))
            context = client(authority, authority.certificate("zabbix"))
            assert (await post(options, "zabbix", tls=context))[0] == 202

    asyncio.run(run())


def test_a_new_token_needs_no_restart(options: WebhookSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_server, "REFRESH_SECONDS", 0.05)
    path = Path(str(options.token_file))

    async def run() -> None:
        async with listening(options, Receiver()):
            path.write_text("short")
            await asyncio.sleep(0.2)
            assert (await post(options, "zabbix"))[0] == 202
            path.write_text("another-token-of-many-characters")
            await asyncio.sleep(0.2)
            assert (await post(options, "zabbix"))[0] == 401
            good = {"Authorization": "Bearer another-token-of-many-characters"}
            assert (await post(options, "zabbix", **good))[0] == 202

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token_file": None}, "token_file"),
        ({"address": "0.0.0.0"}, "can be reached from outside"),
        ({"address": "ctl.example.org"}, "can be reached from outside"),
        ({"certificate": "/x"}, "belong together"),
        ({"key": "/x"}, "belong together"),
        ({"client_ca": "/x"}, "needs webhook.certificate"),
    ],
)
def test_what_is_not_safe_is_not_opened(options: WebhookSettings, change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        hook_server.check(dataclasses.replace(options, **change))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_tls(options: WebhookSettings, address: str) -> None:
    hook_server.check(dataclasses.replace(options, address=address))


def test_a_short_token_is_none(options: WebhookSettings) -> None:
    Path(str(options.token_file)).write_text("secret")
    with pytest.raises(SettingsError, match="characters or more"):
        asyncio.run(hook_server.listen(options, PATHS, Receiver()))
