# Tests of the client of slurmrestd against a stand-in.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines import slurm_rest
from ansible_collections.aidc.ops.plugins.module_utils._engines.slurm_rest import SlurmRest
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError
from ansible_collections.aidc.ops.tests.fakes.slurmrestd import TOKEN, FakeSlurmrestd

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slurm"


@pytest.fixture
def fake() -> Iterator[FakeSlurmrestd]:
    with FakeSlurmrestd((FIXTURES / "rest_nodes_v0.0.42.json").read_text(encoding="utf-8")) as server:
        yield server


def ask(fake: FakeSlurmrestd, **options: Any) -> list[str]:
    given = {"url": fake.url, "user": "root", "token": TOKEN, "timeout": 5, **options}
    return [one.node.name for one in SlurmRest(**given).nodes()]


def refused(fake: FakeSlurmrestd, **options: Any) -> str:
    with pytest.raises(EngineError) as caught:
        ask(fake, **options)
    text = str(caught.value)
    assert TOKEN not in text
    return text


def test_the_newest_version_of_the_service_is_used(fake: FakeSlurmrestd) -> None:
    assert ask(fake) == ["cpu1", "gpu1", "gpu2", "gpu3"]
    assert fake.paths == ["/openapi/v3", "/slurm/v0.0.42/nodes"]


def test_a_version_may_be_given(fake: FakeSlurmrestd) -> None:
    assert len(ask(fake, version="v0.0.40", url=fake.url + "/")) == 4
    assert fake.paths == ["/slurm/v0.0.40/nodes"]
    assert "HTTP 404" in refused(fake, version="v0.0.38")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": ""}, "needs a token"),
        ({"token": "a\r\nX-Evil: 1"}, "needs a token"),
        ({"token": "expired"}, "HTTP 401: the token of root is not accepted"),
        ({"user": "ro ot"}, "is not the name of a user"),
        ({"user": "a\r\nX: 1"}, "is not the name of a user"),
        ({"url": "ftp://127.0.0.1"}, "has to look like"),
        ({"url": "127.0.0.1:6820"}, "has to look like"),
        ({"url": "http://127.0.0.1:1/?token=x"}, "has to look like"),
        ({"url": "http://root:secret@127.0.0.1:1"}, "holds a user"),
        ({"url": "http://127.0.0.1:1"}, "http://127.0.0.1:1/openapi/v3: URLError"),
        ({"version": "../v1"}, "is no version"),
    ],
)
def test_wrong_options(fake: FakeSlurmrestd, options: dict[str, Any], message: str) -> None:
    text = refused(fake, **options)
    assert message in text
    assert "secret" not in text and "Evil" not in text


def test_every_failure_names_the_address(fake: FakeSlurmrestd) -> None:
    for status in (403, 500, 503):
        fake.status = status
        assert f"{fake.url}/openapi/v3: HTTP {status}" in refused(fake)


def test_what_slurm_says_of_a_failure_is_told(fake: FakeSlurmrestd) -> None:
    fake.status, fake.body = 511, (FIXTURES / "no_controller_24.11.json").read_bytes()
    assert "HTTP 511: Slurm could not answer: Failure to query nodes: Protocol authentication error" in refused(fake)


def test_success_without_nodes_is_a_failure(fake: FakeSlurmrestd) -> None:
    fake.body = (FIXTURES / "no_controller_22.05.json").read_bytes()
    assert "Slurm could not answer" in refused(fake, version="v0.0.38")


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe", b"[]", b'{"paths": {}}', b'{"paths": 5}'])
def test_nonsense_is_a_failure(fake: FakeSlurmrestd, body: bytes) -> None:
    fake.body = body
    refused(fake)
    refused(fake, version="v0.0.42")


def test_half_an_answer_is_a_failure(fake: FakeSlurmrestd) -> None:
    fake.cut = 700
    assert "/slurm/v0.0.42/nodes" in refused(fake, version="v0.0.42")


def test_a_slow_service_costs_the_timeout(fake: FakeSlurmrestd) -> None:
    fake.delay = 5
    began = time.monotonic()
    refused(fake, timeout=0.3)
    assert time.monotonic() - began < 2


def test_an_endless_answer_is_a_failure(fake: FakeSlurmrestd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_rest, "MAX_ANSWER_BYTES", 1000)
    assert "larger than 1000 bytes" in refused(fake, version="v0.0.42")


def test_the_token_is_not_sent_on_to_somewhere_else(fake: FakeSlurmrestd) -> None:
    with FakeSlurmrestd("{}") as other:
        fake.status, fake.location = 302, other.url + "/openapi/v3"
        assert "HTTP 302: it sends on to somewhere else" in refused(fake)
        assert other.paths == []


def test_the_token_is_in_no_representation() -> None:
    assert TOKEN not in repr(SlurmRest("http://127.0.0.1", "root", TOKEN))


def test_the_newest_version_counts_numbers_and_not_letters() -> None:
    paths = ["/slurm/v0.0.9/nodes", "/slurm/v0.0.41/nodes/", "/slurm/v0.0.99/jobs"]
    assert slurm_rest.newest_version(json.dumps({"paths": {path: {} for path in paths}})) == "v0.0.41"
