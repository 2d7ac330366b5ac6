# Runs simulated BMCs from a configuration file until it is stopped.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: python3 -m bmcsim CONFIG

CONFIG is a JSON file: "certificate" and "key" (files), "bmcs" (a list), and "control" ("host:port", optional).
When all BMCs listen, one line of JSON with their addresses is printed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from .model import ModelError
from .server import ServerError, Simulator, places_from_settings


async def serve(settings: dict[str, Any]) -> None:
    control = None
    if "control" in settings:
        host, _colon, port = settings["control"].rpartition(":")
        control = (host, int(port))
    simulator = Simulator(places_from_settings(settings), settings["certificate"], settings["key"], control)
    await simulator.start()
    places = {place.bmc.name: f"{place.host}:{place.port}" for place in simulator.places}
    print(json.dumps({"bmcs": places}), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await simulator.stop()


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    except (OSError, ValueError, KeyError, TypeError, ModelError, ServerError) as exc:
        print(f"bmcsim: {type(exc).__name__}: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
