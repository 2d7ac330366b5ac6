#!/usr/bin/python3
# A stand-in for NVIDIA's DCGM exporter: takes its arguments and serves one sample for each field of its counters file.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Serves every field that a counters file names, with the value 0, so that a test sees what DCGM would be asked for."""

from __future__ import annotations

import argparse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("-f", type=Path, required=True)
parser.add_argument("-a", default=":9400")
parser.add_argument("-c", type=int, default=30000)
parser.add_argument("-x", type=int, default=300000)
options = parser.parse_args()

lines = [line for line in options.f.read_text().splitlines() if line and not line.startswith("#")]
fields = [tuple(part.strip() for part in line.split(",")) for line in lines]
body = "".join(f'{name}{{gpu="0"}} 0\n' for name, kind, _help in fields if kind != "label").encode()


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


address, _colon, port = options.a.rpartition(":")
HTTPServer((address, int(port)), Metrics).serve_forever()
