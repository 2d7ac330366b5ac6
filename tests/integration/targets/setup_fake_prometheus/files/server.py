# A stand-in of Prometheus: answers the few questions of the tests, on a free loopback port, for a few minutes.
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import os
import sys
import threading
import urllib.parse
from pathlib import Path

HOSTILE = "{{ 7 * 7 }}"
UP = [
    {"metric": {"instance": "gpu1:9100", "job": "node_exporter", "rack": "r1"}, "value": [1, "1"]},
    {"metric": {"instance": "gpu2:9100", "job": "node_exporter", "rack": HOSTILE}, "value": [1, "0"]},
]
ANSWERS = {
    "up": UP,
    "count by (instance, model)": [{"metric": {"instance": "gpu1", "model": "NVIDIA H100"}, "value": [1, "8"]}],
    "nothing": [],
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _mark, query = self.path.partition("?")
        if path == "/stop":
            os._exit(0)
        expr = dict(urllib.parse.parse_qsl(query)).get("query", "")
        status, answer = 200, {"status": "success", "data": {"resultType": "vector", "result": self.found(expr)}}
        if "denied" in expr:
            status, answer = 403, {"status": "error", "errorType": "forbidden", "error": "not for you"}
        elif path.endswith("/query_range"):
            series = {"metric": {"instance": "gpu1"}, "values": [[1, "1"], [2, "NaN"]]}
            answer["data"] = {"resultType": "matrix", "result": [series]}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def found(expr):
        if expr.startswith(("up", "max by")):
            return UP
        return next((answer for part, answer in ANSWERS.items() if part != "up" and part in expr), [])

    def log_message(self, *_args):
        pass


def main():
    folder = Path(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Whoever forgets to stop it is not left with a server.
    threading.Timer(600, lambda: os._exit(0)).start()
    (folder / "url.new").write_text(f"http://127.0.0.1:{server.server_address[1]}")
    (folder / "url.new").rename(folder / "url")
    server.serve_forever()


if __name__ == "__main__":
    main()
