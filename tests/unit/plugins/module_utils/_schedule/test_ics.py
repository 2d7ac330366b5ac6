# The calendar against the rules of RFC 5545 that it has to keep, read back by a reader of its own.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._schedule.ics import calendar, escape, fold, uid

WINDOW = {"node": "n1", "start": 1767225600, "end": 1767229200, "summary": "", "demand": 3.0, "capacity_left": 9.0}
HOSTILE = "x\r\nEND:VEVENT\r\nATTACH:http://example.com/a;b,c\\\x00\u2028URL:y"


def read(text: str) -> list[tuple[str, str]]:
    """(name, value) of each line, unfolded and unescaped."""
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    found = []
    for line in text.replace("\r\n ", "").split("\r\n")[:-1]:
        name, _colon, value = line.partition(":")
        assert re.fullmatch("[A-Z-]+", name), line
        plain = re.sub(r"\\(.)", lambda part: "\n" if part[1] == "n" else part[1], value)
        found.append((name, plain))
    return found


def lines(summary: str = "", **more: Any) -> list[tuple[str, str]]:
    return read(calendar([{**WINDOW, "summary": summary, **more}], 1767222000, "north"))


def test_an_event_has_what_the_rfc_asks_for() -> None:
    found = dict(lines("Firmware"))
    assert found["VERSION"] == "2.0" and found["PRODID"].startswith("-//") and found["SUMMARY"] == "Firmware"
    assert (found["DTSTAMP"], found["DTSTART"], found["DTEND"]) == (
        "20251231T230000Z",
        "20260101T000000Z",
        "20260101T010000Z",
    )
    order = [line for line in lines() if line[0] in ("BEGIN", "END")]
    assert order == [("BEGIN", "VCALENDAR"), ("BEGIN", "VEVENT"), ("END", "VEVENT"), ("END", "VCALENDAR")]
    assert dict(lines())["SUMMARY"] == "Maintenance of n1"


def test_hostile_text_stays_text() -> None:
    found = lines(HOSTILE, node="n1\r\nATTACH:z")
    assert "ATTACH" not in dict(found) and "URL" not in dict(found)
    assert dict(found)["SUMMARY"] == "x\nEND:VEVENT\nATTACH:http://example.com/a;b,c\\\nURL:y"
    assert dict(found)["LOCATION"] == "n1\nATTACH:z"
    assert len(found) == len(lines("plain"))


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(), max_size=300))
def test_any_text_keeps_the_form(text: str) -> None:
    found = lines(text)
    assert len(found) == len(lines("plain"))
    for line in calendar([{**WINDOW, "summary": text}], 0, "").encode().split(b"\r\n"):
        assert len(line) <= 75 and line.decode() is not None


def test_lines_are_folded_at_octets_and_never_within_a_character() -> None:
    assert fold("x" * 75) == "x" * 75
    assert fold("x" * 76) == "x" * 75 + "\r\n x"
    # 74 octets and a character of two: it goes to the next line as a whole.
    assert fold("x" * 74 + "ä") == "x" * 74 + "\r\n ä"
    assert fold("ä" * 100).replace("\r\n ", "") == "ä" * 100


def test_text_is_escaped_once() -> None:
    assert escape("a\\b;c,d\ne") == "a\\\\b\\;c\\,d\\ne"
    assert escape("\ud800\x07tab\t") == "tab\t"


def test_an_event_keeps_its_identity_when_it_moves_and_sites_have_their_own() -> None:
    moved = read(calendar([{**WINDOW, "start": 0, "end": 60}], 5, "north"))
    assert dict(moved)["UID"] == dict(lines())["UID"] == uid("north", "n1")
    assert len({uid("north", "n1"), uid("north", "n2"), uid("south", "n1"), uid("", "northn1")}) == 4
