#!/usr/bin/python3
# A stand-in for NVIDIA's DCGM exporter: takes its arguments and serves one sample for each field of its counters file.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Serves every field that a counters file names, with the value 0, so that a test sees what DCGM would be asked for."""

from __future__ import annotations

import argparse
import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("-f", type=Path, required=True)
parser.add_argument("-a", default=":9400")
parser.add_argument("-c", type=int, default=30000)
parser.add_argument("-x", type=int, default=300000)
parser.add_argument("--web-config-file", type=Path)
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
server = HTTPServer((address, int(port)), Metrics)
if options.web_config_file:
    # As much of the exporter toolkit's format as the role writes: "name: value", one on each line.
    lines = options.web_config_file.read_text().splitlines()
    settings = dict(line.strip().split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))
    if "cert_file" in settings:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["cert_file"], settings["key_file"])
        if "client_ca_file" in settings:
            context.load_verify_locations(settings["client_ca_file"])
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
