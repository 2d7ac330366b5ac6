# Tests of what a ledger in PostgreSQL says before it reaches any server. tests/ledger has those with a real one.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases.store import is_server, open_store
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

NOBODY = "postgresql://aidc_ops@127.0.0.1:1/ledger"


@pytest.mark.parametrize(
    ("location", "answer"),
    [
        ("postgresql://db/x", True),
        ("postgres://db/x", True),
        ("/var/lib/aidc_ops/ledger.sqlite", False),
        ("postgresql", False),
    ],
)
def test_what_a_location_names(location: str, answer: bool) -> None:
    assert is_server(location) is answer


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match=r"needs the Python library psycopg, version 3.*psycopg\[binary\]"):
        open_store(NOBODY)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://kim:s3cret@db/x", "a password in the ledger's URL"),
        ("postgresql://kim@db/x?password=s3cret", "a password in the ledger's URL"),
        ("postgresql://kim@db/x?sslpassword=s3cret", "a password in the ledger's URL"),
        ("postgresql://kim:s3cret@db:port:1/x?s3cret", "cannot be read"),
        ("postgresql://kim@db/x?s3cret=1", "cannot be read"),
        ("postgresql://", "cannot be read"),
    ],
)
def test_no_password_in_the_url_and_none_in_a_message(url: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message) as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_password_file_is_needed_whole(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(LedgerError, match="cannot be read"):
        open_store(NOBODY, password_file=str(path))
    path.write_text("\nnot the first line\n")
    path.chmod(0o600)
    with pytest.raises(LedgerError, match="is empty"):
        open_store(NOBODY, password_file=str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerError, match="cannot be read"):
        open_store(NOBODY, password_file=str(path))
    path.write_text("s3cret\n")
    path.chmod(0o644)
    with pytest.raises(LedgerError, match="chmod o="):
        open_store(NOBODY, password_file=str(path))
    os.chmod(path, 0o640)
    with pytest.raises(LedgerError, match=r"ledger on 127\.0\.0\.1:1 cannot be used") as caught:
        open_store(NOBODY, password_file=str(path))
    assert "s3cret" not in str(caught.value)
    assert "Nothing is done to any node" in str(caught.value)
