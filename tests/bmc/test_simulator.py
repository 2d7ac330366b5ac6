# Our Redfish simulator as other clients see it: state, actions, sessions, subscriptions, control.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import sushy
from bmcsim.model import Bmc, Fault, ModelError
from bmcsim.server import ServerError, Simulator, places_from_settings
from sites import ADDRESSES, ROOT, Site, free_port

SYSTEM = "/redfish/v1/Systems/1"


def until(check: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def connect(site: Site, address: str = ADDRESSES[0]) -> sushy.Sushy:
    url = f"https://{address}:{site.port}"
    return sushy.Sushy(url, "admin", "secret", verify=site.certificate[0], server_side_retries=1)


class Http:
    """Requests with a password."""

    def __init__(self, site: Site) -> None:
        self._url = f"https://{ADDRESSES[0]}:{site.port}"
        self._session = requests.Session()
        self._session.auth = ("admin", "secret")
        self._certificate = site.certificate[0]

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        return self._session.request(method, self._url + path, timeout=10, verify=self._certificate, **more)


def test_a_client_switches_the_server(site: Site) -> None:
    bmc = Bmc("gpu1", power_seconds=0.2)
    site.start(bmc)
    root = connect(site)
    system = root.get_system(SYSTEM)
    assert system.power_state == sushy.PowerState.ON
    system.reset_system(sushy.ResetType.FORCE_OFF)
    system.refresh()
    assert system.power_state == sushy.PowerState.POWERING_OFF
    until(lambda: bmc.power_state == "Off")
    system.reset_system(sushy.ResetType.ON)
    until(lambda: bmc.power_state == "On")
    system.refresh()
    assert system.power_state == sushy.PowerState.ON
    assert [entry["message"] for entry in bmc.logs] == ["The server was reset: ForceOff.", "The server was reset: On."]


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("Systems/1/Actions/ComputerSystem.Reset", {"ResetType": "Explode"}, 400),
        ("Systems/1/Actions/ComputerSystem.Reset", {}, 400),
        ("Managers/BMC/Actions/Manager.Reset", {"ResetType": "Nmi"}, 400),
        ("EventService/Subscriptions", {"Destination": "file:///etc/passwd"}, 400),
        ("Systems/1", {}, 405),
        ("Systems/1/Actions/ComputerSystem.Reset", [1], 400),
    ],
)
def test_what_cannot_be_done_is_refused(site: Site, action: str, body: Any, status: int) -> None:
    site.start(Bmc("gpu1"))
    answer = Http(site)("POST", f"/redfish/v1/{action}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["@Message.ExtendedInfo"]


def test_a_body_that_is_not_json_is_refused(site: Site) -> None:
    site.start(Bmc("gpu1"))
    assert Http(site)("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", data=b"\xff").status_code == 400


def test_the_bmc_is_away_after_its_own_reset_and_forgets_sessions(site: Site) -> None:
    bmc = Bmc("gpu1", restart_seconds=0.5)
    site.start(bmc)
    ask = Http(site)
    assert ask("POST", "/redfish/v1/SessionService/Sessions", json={"UserName": "admin", "Password": "secret"}).ok
    assert len(bmc.sessions) == 1
    assert ask("POST", "/redfish/v1/Managers/BMC/Actions/Manager.Reset", json={}).status_code == 204
    assert bmc.sessions == {}
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"https://{ADDRESSES[0]}:{site.port}/redfish/v1/", verify=site.certificate[0], timeout=0.2)
    until(lambda: not bmc.away())
    assert ask("GET", SYSTEM).ok


def test_sessions(site: Site) -> None:
    bmc = Bmc("gpu1", max_sessions=1)
    site.start(bmc)
    ask = Http(site)
    sessions = "/redfish/v1/SessionService/Sessions"
    assert ask("POST", sessions, json={"UserName": "admin", "Password": "wrong"}).status_code == 401
    created = ask("POST", sessions, json={"UserName": "admin", "Password": "secret"})
    assert created.status_code == 201
    assert ask("POST", sessions, json={"UserName": "admin", "Password": "secret"}).status_code == 503
    url = f"https://{ADDRESSES[0]}:{site.port}"
    token = {"X-Auth-Token": created.headers["X-Auth-Token"]}
    one = requests.get(url + created.headers["Location"], headers=token, verify=site.certificate[0], timeout=5)
    assert one.json()["UserName"] == "admin"
    assert ask("DELETE", created.headers["Location"]).status_code == 204
    gone = requests.get(url + SYSTEM, headers=token, verify=site.certificate[0], timeout=5)
    assert gone.status_code == 401
    assert ask("DELETE", created.headers["Location"]).status_code == 404


def test_subscribers_are_told_of_events(site: Site) -> None:
    received: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_unused: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bmc = Bmc("gpu1")
    site.start(bmc)
    ask = Http(site)
    destination = f"http://127.0.0.1:{server.server_address[1]}/events"
    created = ask("POST", "/redfish/v1/EventService/Subscriptions", json={"Destination": destination, "Context": "c"})
    assert created.status_code == 201
    bmc.add_event("Critical", "PSU1 failed", origin="/redfish/v1/Chassis/1")
    until(lambda: len(received) == 1)
    (event,) = received[0]["Events"]
    assert (event["Severity"], event["Message"]) == ("Critical", "PSU1 failed")
    assert ask("DELETE", created.headers["Location"]).status_code == 204
    assert ask("POST", "/redfish/v1/EventService/Actions/EventService.SubmitTestEvent", json={}).status_code == 204
    assert len(bmc.logs) == 2
    time.sleep(0.2)
    assert len(received) == 1
    server.shutdown()
    server.server_close()


def test_the_log_can_be_cleared(site: Site) -> None:
    bmc = Bmc("gpu1")
    bmc.add_event("OK", "x")
    site.start(bmc)
    ask = Http(site)
    entries = f"{SYSTEM}/LogServices/SEL/Entries"
    assert ask("GET", entries).json()["Members@odata.count"] == 1
    assert ask("POST", f"{SYSTEM}/LogServices/SEL/Actions/LogService.ClearLog", json={}).status_code == 204
    assert ask("GET", entries).json()["Members"] == []


def test_control_from_outside(site: Site) -> None:
    bmc = Bmc("gpu1")
    port = free_port()
    site.start(bmc, control=("127.0.0.1", port))

    def control(method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    state = control("PATCH", "gpu1", {"health": {"FAN1": "Critical"}, "faults": [{"kind": "status", "value": 500}]})
    assert state["power_state"] == "On"
    assert bmc.faults == [Fault("status", "", 500)]
    control("PATCH", "gpu1", {"faults": []})
    assert control("POST", "gpu1/events", {"severity": "Warning", "message": "hot"})["events"] == 1
    answer = site.read(parts=["thermal", "events"])
    assert (answer["fans"][0]["state"], answer["events"][0]["message"]) == ("critical", "hot")
    for method, path, body in (("GET", "gpu9", None), ("PATCH", "gpu1", {"colour": 1}), ("POST", "gpu1/events", {})):
        with pytest.raises(urllib.error.HTTPError) as caught:
            control(method, path, body)
        assert caught.value.code in (400, 404)


def test_many_bmcs_in_one_process_keep_their_own_state(site: Site) -> None:
    bmcs = [Bmc(f"gpu{number}", serial=f"SN{number}") for number in range(20)]
    site.start(*bmcs)
    bmcs[7].reset("ForceOff")
    found = [site.read(address=address, parts=["system"])["system"] for address in ADDRESSES[:20]]
    assert [system["serial"] for system in found] == [f"SN{number}" for number in range(20)]
    assert [system["power_state"] for system in found].count("off") == 1


def test_the_program_runs_until_it_is_stopped(certificate: tuple[str, str], tmp_path: Path) -> None:
    settings = {
        "certificate": certificate[0],
        "key": certificate[1],
        "bmcs": [{"name": "gpu1", "host": ADDRESSES[0], "faults": [{"kind": "slow", "value": 0.01}]}],
    }
    path = tmp_path / "bmcs.json"
    path.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "bmcsim", str(path)]
    process = subprocess.Popen(command, cwd=ROOT / "molecule" / "shared", stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["bmcs"]["gpu1"]
    answer = requests.get(f"https://{address}/redfish", verify=certificate[0], timeout=5)
    assert answer.json() == {"v1": "/redfish/v1/"}
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"certificate": "/none", "key": "/none", "bmcs": [{"name": "a", "colour": 1}]}']
)
def test_the_program_says_what_is_wrong_with_its_configuration(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bmcs.json"
    path.write_text(content)
    command = [sys.executable, "-m", "bmcsim", str(path)]
    done = subprocess.run(
        command, cwd=ROOT / "molecule" / "shared", capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("bmcsim: ") and "Traceback" not in done.stderr


def test_a_place_that_is_taken_is_said(certificate: tuple[str, str], site: Site) -> None:
    site.start(Bmc("gpu1"))
    places = places_from_settings({"bmcs": [{"name": "gpu2", "host": ADDRESSES[0], "port": site.port}]})
    with (
        pytest.raises(ServerError, match=f"cannot listen at {ADDRESSES[0]}:{site.port}"),
        Simulator(places, *certificate),
    ):
        pass


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ModelError, match="no colour"):
        Bmc.from_settings({"name": "gpu1", "colour": 1})
    with pytest.raises(ModelError, match="no fault is called 'sad'"):
        Bmc.from_settings({"name": "gpu1", "faults": [{"kind": "sad"}]})
