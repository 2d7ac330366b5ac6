# Tests of the Prometheus client against a server that answers, and one that breaks in every way.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import gc
import gzip
import ipaddress
import json
import socket
import ssl
import sys
import threading
import time
import typing as t
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError, PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus import session
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.tests.fakes.certificates import Authority
from ansible_collections.aidc.ops.tests.fakes.prometheus import FakePrometheus, sample, target, vector


@pytest.fixture
def fake() -> t.Iterator[FakePrometheus]:
    with FakePrometheus() as server:
        yield server


def client(fake: FakePrometheus, **options: t.Any) -> PrometheusClient:
    return PrometheusClient(fake.url, **{"timeout": 5, **options})


def test_a_query(fake: FakePrometheus) -> None:
    fake.queries["up"] = vector(sample(1, instance="gpu1"), sample(0, instance="gpu2"))
    answer = client(fake).query('up{job="x"}')
    assert [(item.labels["instance"], item.value) for item in answer.samples] == [("gpu1", 1.0), ("gpu2", 0.0)]
    (parameters,) = fake.asked("query")
    assert parameters == {"query": 'up{job="x"}', "timeout": "4.5"}


def test_a_moment_keeps_its_fraction(fake: FakePrometheus) -> None:
    client(fake).query("up", time=1_700_000_000.25)
    assert fake.asked("query")[0]["time"] == "1700000000.250"


def test_no_series_is_an_answer(fake: FakePrometheus) -> None:
    assert client(fake).samples("up") == []


def test_samples_of_a_matrix_are_an_error(fake: FakePrometheus) -> None:
    fake.queries["up"] = {"resultType": "matrix", "result": []}
    with pytest.raises(PrometheusError, match="matrix"):
        client(fake).samples("up[5m]")


def test_an_address_with_a_path(fake: FakePrometheus) -> None:
    PrometheusClient(f"{fake.url}/prometheus/", timeout=5).query("up")
    assert fake.requests[0][1] == "query"


def test_a_long_expression_is_posted(fake: FakePrometheus) -> None:
    client(fake).query("up or " * 1000)
    method, _path, parameters, _headers = fake.requests[0]
    assert (method, parameters["query"]) == ("POST", "up or " * 1000)


def test_a_range_is_split_and_joined(fake: FakePrometheus) -> None:
    def points(parameters: dict[str, str]) -> t.Any:
        first, last, step = (float(parameters[name]) for name in ("start", "end", "step"))
        assert (last - first) / step <= 11000, "a real server refuses this"
        moments = [first + number * step for number in range(round((last - first) / step) + 1)]
        return {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": [[m, "1"] for m in moments]}]}

    fake.queries["up"] = points
    (series,) = client(fake).query_range("up", 1000.0, 1000.0 + 25000, 1.0).series
    assert len(fake.asked("query_range")) == 3
    assert [moment for moment, _value in series.points] == [1000.0 + number for number in range(25001)]


@pytest.mark.parametrize(("start", "end", "step"), [(2, 1, 1), (1, 2, 0), (1, 2, -1)])
def test_ranges_that_cannot_be(fake: FakePrometheus, start: float, end: float, step: float) -> None:
    with pytest.raises(PrometheusError, match=fake.url):
        client(fake).query_range("up", start, end, step)


def test_targets_alerts_rules_labels_and_series(fake: FakePrometheus) -> None:
    fake.data["targets"] = {"activeTargets": [target("node_exporter", "gpu1", "down")]}
    fake.data["alerts"] = {"alerts": [{"labels": {"alertname": "A"}, "state": "firing", "value": "1"}]}
    fake.data["rules"] = {"groups": [{"name": "g", "rules": []}]}
    fake.data["label/job/values"] = ["a", "b"]
    fake.data["series"] = [{"__name__": "up"}]
    asking = client(fake)
    assert asking.targets()[0].health == "down"
    assert asking.alerts()[0].labels == {"alertname": "A"}
    assert asking.rules()[0]["name"] == "g"
    assert asking.label_values("job") == ["a", "b"]
    assert asking.series("up", 1, 2) == [{"__name__": "up"}]
    assert fake.asked("series")[0]["match[]"] == "up"
    assert fake.asked("targets")[0] == {"state": "active"}


@pytest.mark.parametrize("path", ["targets", "alerts", "rules", "series"])
def test_data_of_another_shape_is_an_error(fake: FakePrometheus, path: str) -> None:
    fake.data[path] = {"unexpected": 1} if path != "series" else [1]
    asking = client(fake)
    with pytest.raises(PrometheusError, match=fake.url):
        asking.series("up", 1, 2) if path == "series" else getattr(asking, path)()


# --- What is not an answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, "HTTP 400"),
        (401, "username and password"),
        (403, "access denied"),
        (404, "path"),
        (405, "way of asking"),
        (422, "HTTP 422"),
        (500, "HTTP 500"),
        (503, "overloaded"),
    ],
)
def test_http_errors(fake: FakePrometheus, status: int, says: str) -> None:
    fake.status, fake.body = status, b"<html>no</html>"
    for ask in (lambda: client(fake).query("up"), lambda: client(fake).targets(), lambda: client(fake).alerts()):
        with pytest.raises(PrometheusError, match=says) as caught:
            ask()
        assert fake.url in str(caught.value)
        assert str(status) in str(caught.value)


def test_the_reason_of_the_server_is_told(fake: FakePrometheus) -> None:
    fake.status = 400
    fake.body = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}).encode()
    with pytest.raises(PrometheusError, match="bad_data: parse error at char 3") as caught:
        client(fake).query("up{")
    assert "up{" in str(caught.value)


def test_an_error_with_status_200_is_an_error(fake: FakePrometheus) -> None:
    fake.envelope = {"status": "error", "errorType": "timeout", "error": "query timed out"}
    for ask in (lambda: client(fake).query("up"), lambda: client(fake).targets()):
        with pytest.raises(PrometheusError, match="query timed out"):
            ask()


def test_a_warning_means_a_part_is_missing(fake: FakePrometheus) -> None:
    fake.warnings = ["store at a.example: deadline exceeded"]
    with pytest.raises(PrometheusError, match=r"lack a part: store at a.example"):
        client(fake).query("up")
    with pytest.raises(PrometheusError, match="lack a part"):
        client(fake).targets()
    assert client(fake, allow_partial=True).query("up").warnings == fake.warnings


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not complete JSON"),
        (b"<html>Please log in</html>", "login page"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"met', "cut it off"),
        (b"\xff\xfe\x00nonsense", "not complete JSON"),
        (b"[" * 200_000, "not complete JSON"),
        (b"[]", "not that of a Prometheus API"),
        (b'"text"', "not that of a Prometheus API"),
        (b"{}", "not why"),
        (b'{"status":"success"}', "no data"),
        (b'{"status":"success","data":null}', "not the result of a query"),
        (b'{"status":"success","data":{"resultType":"vector","result":null}}', "not the result of a query"),
    ],
    ids=range(11),
)
def test_bodies_that_are_no_answer(fake: FakePrometheus, body: bytes, says: str) -> None:
    fake.body, fake.content_type = body, "text/html"
    with pytest.raises(PrometheusError, match=says) as caught:
        client(fake).query("up")
    assert fake.url in str(caught.value)


def test_an_answer_that_is_cut_off_is_an_error(fake: FakePrometheus) -> None:
    fake.queries["up"] = vector(*(sample(1, instance=f"n{number}") for number in range(500)))
    fake.cut = 5000
    with pytest.raises(PrometheusError, match="no c") as caught:
        client(fake).query("up")
    assert fake.url in str(caught.value)


def test_a_huge_answer_is_an_error(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_ANSWER_BYTES", 100_000)
    fake.body = gzip.compress(b" " * 5_000_000)
    fake.headers["Content-Encoding"] = "gzip"
    with pytest.raises(PrometheusError, match="larger than"):
        client(fake).query("up")


def test_a_compressed_answer_is_read(fake: FakePrometheus) -> None:
    fake.body = gzip.compress(json.dumps({"status": "success", "data": vector(sample(7))}).encode())
    fake.headers["Content-Encoding"] = "gzip"
    assert client(fake).samples("up")[0].value == 7


@pytest.mark.parametrize(("how", "seconds"), [("delay", 5.0), ("drip", 0.05)])
def test_the_timeout_is_for_the_whole_call(fake: FakePrometheus, how: str, seconds: float) -> None:
    setattr(fake, how, seconds)
    began = time.monotonic()
    with pytest.raises(PrometheusError, match=r"within 0.5 s"):
        client(fake, timeout=0.5).query("up")
    assert time.monotonic() - began < 2


def test_a_server_that_only_accepts_is_given_up() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(PrometheusError, match=r"within 0.5 s"):
            PrometheusClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5).query("up")


def test_a_closed_port_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(PrometheusError, match=r"no connection.*refused"):
        PrometheusClient(f"http://127.0.0.1:{port}", timeout=5).query("up")


def test_a_proxy_that_fails_once_is_asked_again(fake: FakePrometheus) -> None:
    fake.failures_first = [502]
    assert client(fake).samples("up") == []
    assert len(fake.requests) == 2


def test_a_query_that_failed_is_not_repeated(fake: FakePrometheus) -> None:
    fake.status = 503
    with pytest.raises(PrometheusError):
        client(fake).query("up")
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "address of a Prometheus"),
        (None, "address of a Prometheus"),
        ("monitor:9090", "address of a Prometheus"),
        ("ftp://monitor", "address of a Prometheus"),
        ("http://", "address of a Prometheus"),
        ("http://kim:hunter2@monitor:9090", "use username"),
        ("ftp://kim:hunter2@monitor", "use username"),
        ("http://kim:hun/ter2@monitor", "use username"),
        ("http://kim:hunter2@monitor//x", "use username"),
        ("http://monitor:9090/graph?x=1", "query or fragment"),
    ],
)
def test_addresses_that_cannot_be(url: t.Any, says: str) -> None:
    with pytest.raises(PrometheusError, match=says) as caught:
        PrometheusClient(url)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": 0}, "above 0"),
        ({"timeout": -1}, "above 0"),
        ({"token": "a", "username": "b"}, "not both"),
        ({"client_key": "/dev/null"}, "without client_cert"),
        ({"ca_path": "/no/such/file"}, "/no/such/file"),
    ],
)
def test_options_that_cannot_be(options: dict[str, t.Any], says: str) -> None:
    with pytest.raises(PrometheusError, match=says):
        PrometheusClient("http://monitor:9090", **options)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_api_client.prometheus_connect", None)
    with pytest.raises(AidcOpsError, match="prometheus-api-client"):
        PrometheusClient("http://monitor:9090")


# --- Who asks --------------------------------------------------------------------------------------------------------


def test_logins(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client(fake).query("up")
    client(fake, username="kim", password="pässword").query("up")
    client(fake, token="t0ken").query("up")
    client(fake, headers={"X-Scope-OrgID": "site"}).query("up")
    given = [headers.get("Authorization") for _method, _path, _parameters, headers in fake.requests]
    assert given == [None, "Basic " + base64.b64encode("kim:pässword".encode()).decode(), "Bearer t0ken", None]
    assert fake.requests[-1][3]["X-Scope-OrgID"] == "site"


def test_no_secret_is_in_an_error(fake: FakePrometheus) -> None:
    fake.status = 401
    for options in ({"username": "kim", "password": "hunter2"}, {"token": "hunter2"}, {"headers": {"X": "hunter2"}}):
        with pytest.raises(PrometheusError) as caught:
            client(fake, **options).query("up")
        assert "hunter2" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert client(fake).samples("up") == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a server certificate for 127.0.0.1 and a client certificate."""
    folder = tmp_path_factory.mktemp("tls")
    signer = ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for name in ("ca", "server", "client"):
        key = signer if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(address, critical=False)
            .sign(signer, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return folder


@pytest.fixture
def tls(fake: FakePrometheus, authority: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    context.load_verify_locations(authority / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    fake.server.socket = context.wrap_socket(fake.server.socket, server_side=True)
    return f"https://127.0.0.1:{fake.port}"


def test_tls(tls: str, authority: Path) -> None:
    ca = str(authority / "ca.pem")
    assert PrometheusClient(tls, ca_path=ca, timeout=5).samples("up") == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert PrometheusClient(tls, validate_certs=False, timeout=5).samples("up") == []
    certificate, key = str(authority / "client.pem"), str(authority / "client.key")
    assert PrometheusClient(tls, ca, certificate, key, timeout=5).samples("up") == []


def test_a_server_that_wants_a_certificate(fake: FakePrometheus, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    fake.server.socket = authority.server().wrap_socket(fake.server.socket, server_side=True)
    url, ca = f"https://127.0.0.1:{fake.port}", str(authority.ca)
    with pytest.raises(PrometheusError):
        PrometheusClient(url, ca, timeout=5).query("up")
    assert PrometheusClient(url, ca, *authority.issue("client"), timeout=5).samples("up") == []


def test_an_unknown_authority_is_refused(tls: str) -> None:
    with pytest.raises(PrometheusError, match=r"certificate.*ca_path"):
        PrometheusClient(tls, timeout=5).query("up")


# --- Speed and threads -----------------------------------------------------------------------------------------------


def test_the_collector_runs_again_after_reading() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="Expecting"):
        session.read_json(b"[")
    assert gc.isenabled()


def test_several_threads_share_a_client(fake: FakePrometheus) -> None:
    fake.queries = {f"q{number}_": vector(sample(number)) for number in range(8)}
    asking = client(fake)
    found: dict[int, float] = {}

    def ask(number: int) -> None:
        found[number] = asking.samples(f"q{number}_")[0].value

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {number: float(number) for number in range(8)}
