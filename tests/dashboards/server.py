# The rules of our role, and the answers of the server that works them out.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from lab import GPU_NODES, GPUS
from render import render

RULES = ("aidc_gpu", "aidc_faults", "aidc_recording")


class Asked:
    """Answers of a server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of the answer; an error of the server is an AssertionError with what it says."""
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}", data=body, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as exc:
            raise AssertionError(json.load(exc)["error"]) from None

    def series(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of an expression now."""
        answer = self.ask("query", query=expr)
        if answer["resultType"] == "scalar":
            return [({}, float(answer["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in answer["result"]]


def rules(folder: Path) -> None:
    """The rules as the role places them, worked out every second so that the test need not wait a minute."""
    folder.mkdir()
    for name in RULES:
        text = render(
            "prometheus",
            f"rules/{name}.yml.j2",
            prometheus_expected_gpus={name: GPUS + (name == "gpu3") for name in GPU_NODES},
            prometheus_energy_price_per_kwh=0.25,
            prometheus_co2_grams_per_kwh=380,
            prometheus_gpu_price_per_hour=2.0,
            prometheus_facility_power_query="1.3 * ipmi_dcmi_power_consumption_watts",
        )
        text = re.sub(r"\binterval: \w+", "interval: 1s", text)
        (folder / f"{name}.yml").write_text(re.sub(r"\bfor: \w+", "for: 0s", text), encoding="utf-8")
