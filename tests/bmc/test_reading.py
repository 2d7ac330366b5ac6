# The reader of bmc_info against our Redfish simulator: what it reads, and what it leaves behind.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bmcsim.certificates import make_certificate
from bmcsim.model import STYLES, Bmc, Fault
from sites import ADDRESSES, Site

from ansible_collections.aidc.ops.plugins.module_utils._hardware import bmc_reader, redfish_client
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError, Refused, Silent
from ansible_collections.aidc.ops.plugins.module_utils._runner import run

SYSTEM = "/redfish/v1/Systems/1"


def messages(answer: dict[str, Any]) -> str:
    return "\n".join(f"{one['part']} {one['device']} {one['message']}" for one in answer["problems"])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "more", [{}, {"expands": False}, {"page_size": 2}, {"sessions_offered": False}, {"expands": False, "page_size": 1}]
)
def test_a_healthy_bmc(site: Site, style: str, more: dict[str, Any]) -> None:
    bmc = Bmc("gpu1", style=style, address=ADDRESSES[0], **more)
    bmc.add_event("Critical", "PSU2 lost its input", sensor_type="Power Supply / Converter")
    site.start(bmc)
    answer = site.read()
    assert answer["problems"] == []
    assert answer["system"]["node_id"] == "dmi:SN0001"
    assert [gpu["serial"] for gpu in answer["system"]["gpus"]] == [f"SN0001{number:02}" for number in range(1, 9)]
    assert len(answer["fans"]) == 4 and len(answer["temperatures"]) == 11 and len(answer["firmware"]) == 12
    assert answer["bmc"]["mac"] == bmc.mac
    assert answer["events"][0]["severity"] == "critical"
    assert bmc.sessions == {}
    assert bmc.most_sessions == (1 if bmc.sessions_offered else 0)
    assert bmc.failed_logins == 0


def test_a_long_log_is_read_to_its_end_and_shortened(site: Site) -> None:
    bmc = Bmc("gpu1", page_size=50)
    for number in range(230):
        bmc.add_event("OK", f"event {number}", created=f"2026-11-21T{number // 60:02}:{number % 60:02}:00Z")
    site.start(bmc)
    answer = site.read(parts=["events"], max_events=3)
    assert [event["message"] for event in answer["events"]] == ["event 227", "event 228", "event 229"]


# Who is let in, and whom we trust.


def test_a_wrong_password_is_sent_once_and_not_to_ipmi(site: Site) -> None:
    bmc = Bmc("gpu1")
    site.start(bmc)
    with pytest.raises(Refused, match="access denied for user admin"):
        site.read(password="wrong", protocol="auto")
    assert bmc.failed_logins == 1


def test_a_service_without_sessions_denies_a_wrong_password_once(site: Site) -> None:
    bmc = Bmc("gpu1", sessions_offered=False, gpus=0)
    site.start(bmc)
    with pytest.raises(Refused, match="access denied for user admin"):
        site.read(password="wrong")
    assert bmc.failed_logins == 1


def test_a_service_that_hides_its_root_gets_the_password(site: Site) -> None:
    bmc = Bmc("gpu1", sessions_offered=False)
    simulator = site.start(bmc)
    closed = [Fault("status", r"^/redfish/v1$", 401)]
    bmc.faults = closed
    with pytest.raises(Refused):
        site.read()
    assert simulator.places[0].bmc.sessions == {}


def test_without_a_user_nobody_logs_in(site: Site) -> None:
    bmc = Bmc("gpu1")
    site.start(bmc)
    with pytest.raises(Refused, match="no username given"):
        site.read(username=None, password=None)
    assert (bmc.failed_logins, bmc.most_sessions) == (0, 0)


def test_when_all_sessions_are_in_use_the_password_goes_with_each_request(site: Site) -> None:
    bmc = Bmc("gpu1", max_sessions=0)
    site.start(bmc)
    answer = site.read(parts=["system"])
    assert answer["problems"] == []
    assert answer["system"]["serial"] == "SN0001"


def test_a_resource_that_is_denied_opens_no_new_session(site: Site) -> None:
    bmc = Bmc("gpu1", faults=[Fault("status", "Chassis|FirmwareInventory", 403)])
    site.start(bmc)
    answer = site.read()
    assert "access denied (HTTP status 403)" in messages(answer)
    assert answer["system"] is not None
    assert (bmc.most_sessions, bmc.sessions) == (1, {})


def test_an_unknown_certificate_is_refused_and_nothing_is_sent(site: Site, tmp_path: Any) -> None:
    bmc = Bmc("gpu1")
    site.start(bmc)
    other, _key = make_certificate(tmp_path, ADDRESSES)
    with pytest.raises(Refused, match="certificate is not trusted: self-signed certificate"):
        site.read(ca_path=str(other), protocol="auto")
    with pytest.raises(Refused, match="certificate is not trusted"):
        site.read(ca_path=None, protocol="auto")
    assert bmc.requests == 0


def test_a_certificate_of_another_host_is_refused(site: Site) -> None:
    bmc = Bmc("gpu1")
    site.start(bmc)
    with pytest.raises(Refused, match=r"(?i)certificate is not trusted: .*localhost"):
        site.read(address="localhost", port=_forward(site))
    assert bmc.requests == 0


def _forward(site: Site) -> int:
    """A port of localhost behind which the BMC answers."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            client, _address = listener.accept()
            server = socket.create_connection((ADDRESSES[0], site.port))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


def _pump(source: Any, sink: Any) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    sink.close()


def test_a_service_without_tls_is_none(site: Site, stranger: list[Any]) -> None:
    seen, address = stranger
    with pytest.raises(Silent, match="no TLS connection"):
        site.read(address="127.0.0.1", port=int(address.rpartition(":")[2]))
    assert seen == []


def test_without_verification_any_certificate_will_do(site: Site, tmp_path: Any) -> None:
    site.start(Bmc("gpu1"))
    assert site.read(validate_certs=False, ca_path=None)["problems"] == []


# Other hosts.


@pytest.fixture
def stranger() -> Iterator[list[Any]]:
    """A web server that must not be asked; what it was asked, and its address."""
    seen: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_error(404)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_unused: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    yield [seen, address]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["redirect", "foreign_link"])
def test_neither_redirects_nor_links_lead_to_another_host(site: Site, stranger: list[Any], kind: str) -> None:
    seen, address = stranger
    bmc = Bmc("gpu1", faults=[Fault(kind, r"^/redfish/v1/(Systems|Chassis|Managers)$", f"{address}/redfish/v1/x")])
    site.start(bmc)
    answer = site.read(parts=["system", "chassis", "bmc"])
    assert seen == []
    assert answer["system"] is None or answer["problems"]
    assert ("HTTP status 302" if kind == "redirect" else "unusable link") in messages(answer)


def test_a_proxy_of_the_environment_is_not_used(
    site: Site, stranger: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, address = stranger
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, address)
    site.start(Bmc("gpu1"))
    assert site.read(parts=["bmc"])["problems"] == []
    assert seen == []


# What breaks.


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("truncated", r"/Chassis/1/Power$"), "not JSON, or is cut off"),
        (Fault("not_json", r"/Chassis/1/Power$"), "not JSON, or is cut off"),
        (Fault("status", r"/Chassis/1/Power$", 500), "HTTP status 500"),
        (Fault("status", r"/Chassis/1/Power$", 503), "HTTP status 503"),
    ],
)
def test_a_broken_resource_hides_nothing_else(site: Site, fault: Fault, message: str) -> None:
    site.start(Bmc("gpu1", style="old", faults=[fault]))
    answer = site.read()
    assert [one["device"] for one in answer["problems"]] == ["/redfish/v1/Chassis/1/Power"]
    assert message in messages(answer)
    assert answer["power_supplies"] is None
    assert len(answer["fans"]) == 4 and len(answer["system"]["gpus"]) == 8


@pytest.mark.parametrize("expands", [True, False])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("short", "HGX_Baseboard_0/Processors$", 3), "announces 8 members and gives 5"),
        (Fault("loop", "HGX_Baseboard_0/Processors$"), "have no end"),
    ],
)
def test_a_collection_that_is_not_whole_is_said(site: Site, fault: Fault, message: str, expands: bool) -> None:
    site.start(Bmc("gpu1", expands=expands, page_size=2, faults=[fault]))
    assert message in messages(site.read(parts=["system"]))


def test_bytes_that_are_not_utf8_are_shown_and_said(site: Site) -> None:
    site.start(Bmc("gpu1", gpus=0, faults=[Fault("not_utf8", f"^{SYSTEM}$|^/redfish/v1/Systems$")]))
    answer = site.read(parts=["system"])
    assert answer["system"]["serial"] == "\ufffd\ufffdSN0001"
    assert answer["system"]["node_id"] is None
    assert "not UTF-8" in messages(answer)


def test_hostile_text_is_text(site: Site) -> None:
    hostile = "{{ lookup('pipe', 'touch /tmp/x') }}\n\x1b[31m"
    bmc = Bmc("gpu1", product=hostile)
    bmc.add_event("OK", hostile)
    site.start(bmc)
    answer = site.read(parts=["system", "events"])
    assert answer["system"]["product"] == "{{ lookup('pipe', 'touch /tmp/x') }} [31m"
    assert answer["events"][0]["message"] == "{{ lookup('pipe', 'touch /tmp/x') }} [31m"


def test_an_answer_without_end_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redfish_client, "MAX_ANSWER_BYTES", 100_000)
    site.start(Bmc("gpu1", faults=[Fault("huge", f"^{SYSTEM}$", 10_000_000)], expands=False))
    answer = site.read(parts=["system"])
    assert "larger than 100000 bytes" in messages(answer)


def test_a_dead_bmc_costs_less_than_its_time(site: Site) -> None:
    bmc = Bmc("gpu1", faults=[Fault("dead")])
    site.start(bmc)
    began = time.monotonic()
    with pytest.raises(Silent, match="no answer within 1 s"):
        site.read(timeout=3)
    assert time.monotonic() - began < 3


def test_a_resource_that_hangs_costs_its_time_once_and_the_session_is_closed(site: Site) -> None:
    bmc = Bmc("gpu1", faults=[Fault("dead", "Chassis")])
    site.start(bmc)
    began = time.monotonic()
    answer = site.read(timeout=6, parts=["system", "power", "bmc", "firmware"])
    assert time.monotonic() - began < 6
    assert "no answer within 2 s" in messages(answer)
    assert answer["system"] is not None and answer["firmware"] is not None
    assert bmc.sessions == {}


def test_a_bmc_that_dies_while_it_is_read_is_given_up(site: Site) -> None:
    bmc = Bmc("gpu1", expands=False, faults=[Fault("dead", "Processors/|Chassis|Managers|Update|LogServices")])
    site.start(bmc)
    began = time.monotonic()
    answer = site.read(timeout=3)
    assert time.monotonic() - began < 9
    assert answer["system"]["serial"] == "SN0001"
    assert "the BMC stopped answering" in messages(answer)


def test_a_slow_bmc_is_waited_for(site: Site) -> None:
    site.start(Bmc("gpu1", faults=[Fault("slow", "", 0.1)]))
    assert site.read(timeout=15)["problems"] == []


def test_an_answer_that_drips_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bmc_reader, "_GRACE_SECONDS", 1.0)
    site.start(Bmc("gpu1", faults=[Fault("drip", "", 0.2)]))
    began = time.monotonic()
    with pytest.raises(BmcError, match="without answering"):
        bmc_reader.read_bmc_bounded(site.request(timeout=1), run)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "fault",
    [Fault("not_json", r"^/redfish/v1$"), Fault("status", r"^/redfish/v1$", 404), Fault("truncated", r"^/redfish/v1$")],
)
def test_what_is_no_redfish_service_is_silent(site: Site, fault: Fault) -> None:
    site.start(Bmc("gpu1", faults=[fault]))
    with pytest.raises(Silent):
        site.read()
