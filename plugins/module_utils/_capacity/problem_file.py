# The problem as a person gives it to a module: as it is, or in a file.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

from .model import ProblemError


def problem_data(params: t.Mapping[str, t.Any]) -> t.Any:
    """The option ``problem``, else the content of the JSON file ``path``; ProblemError if that cannot be read."""
    if params["problem"] is not None:
        return params["problem"]
    try:
        with open(params["path"], encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        raise ProblemError(f"{params['path']} cannot be read as JSON: {error}") from error
