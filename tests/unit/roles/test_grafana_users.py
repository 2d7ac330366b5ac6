# Tests of what the role grafana refuses in its lists of users and teams.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from preflight import accepts

KIM = {"login": "kim", "email": "kim@example.com", "name": "Kim", "password": "staple staple staple"}
LEE = {"login": "lee.b", "email": "lee+b@example.com", "name": "Lee", "role": "Admin"}


def test_users_are_taken() -> None:
    assert accepts("grafana", "Check the users")
    assert accepts("grafana", "Check the users", grafana_users=[KIM, LEE])


@pytest.mark.parametrize(
    "changed",
    [
        {"login": ""},
        {"login": "two words"},
        {"login": "Lee"},
        {"login": "kim"},
        {"login": "admin"},
        {"email": ""},
        {"email": "lee"},
        {"email": "Lee@example.com"},
        {"email": "kim@example.com"},
        {"name": ""},
        {"name": " "},
        {"password": "too short"},
        {"password": "long enough\nbut two lines"},
    ],
    ids=str,
)
def test_users_that_cannot_be_are_refused(changed: dict[str, str]) -> None:
    assert not accepts("grafana", "Check the users", grafana_users=[KIM, {**LEE, **changed}])


def test_teams_are_taken() -> None:
    assert accepts("grafana", "Check the teams")
    teams = [
        {"name": "Operations", "members": ["kim@example.com"], "exclusive": True},
        {"name": "Everybody", "members": ["kim@example.com", "lee+b@example.com"]},
        {"name": "Nobody", "members": [], "exclusive": True},
        {"name": "Somebody"},
    ]
    assert accepts("grafana", "Check the teams", grafana_teams=teams)


@pytest.mark.parametrize(
    "teams",
    [
        [{"name": ""}],
        [{"name": " "}],
        [{"name": "Operations"}, {"name": "Operations"}],
        [{"name": "Operations", "members": ["kim"]}],
        [{"name": "Operations", "members": [""]}],
        [{"name": "Operations", "members": ["kim@example.com", "kim@example.com"]}],
        [{"name": "Operations", "exclusive": True}],
    ],
    ids=str,
)
def test_teams_that_cannot_be_are_refused(teams: list[dict[str, Any]]) -> None:
    assert not accepts("grafana", "Check the teams", grafana_teams=teams)
