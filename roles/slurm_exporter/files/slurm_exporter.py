# Prometheus exporter of Slurm: nodes, GPUs, jobs and how long they wait, read with Slurm's own commands.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Serve what slurmctld knows about nodes and jobs.

Four promises decide the shape of this program:

* Slurm is asked once in an interval, however often Prometheus or anybody else scrapes; a scrape gets a page that is
  ready.
* A slurmctld that hangs costs a bounded time. Then, as after every failure, ``slurm_up`` is 0 and nothing else of Slurm
  is served: values that are not known are absent, neither zero nor old.
* Text of users is data; slurm_reading.py, which lies beside this program, says how it is kept apart.
* The number of series has a bound that does not depend on what users write.

Runs on Python 3.8 and newer with the standard library, as any user whom Slurm shows all nodes and jobs.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import hmac
import http.server
import logging
import os
import re
import secrets
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from slurm_reading import (
    COUNTED_STATES,
    FAILURES,
    HOLDS_GPUS,
    JOB_STATES,
    MAX_LABEL,
    OWN_WAIT,
    Job,
    Node,
    SlurmError,
    gpus_by_node,
    hidden_jobs,
    jobs_command,
    nodes_command,
    parse_jobs,
    parse_nodes,
)

VERSION = "0.1.0"
MIB = 1024 * 1024
# More accounts or reasons than these go together as "other".
MAX_ACCOUNTS = 500
MAX_REASONS = 60
OTHER = "other"
WAIT_BUCKETS = (1, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400, 259200, 604800)

CLIENT_SECONDS = 10
MAX_CLIENTS = 32
KILLED_SECONDS = 2

log = logging.getLogger("slurm_exporter")


# --- What is kept from one reading to the next -----------------------------------------------------------------------


class Bounded:
    """Lets through the first ``limit`` texts that it meets; all others are one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, text: str) -> str:
        if text not in self._known:
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(text)
        return text


class Names:
    """What is written for names that come from users. ``user`` makes the label of a user's name."""

    def __init__(self, user: Callable[[str], str]) -> None:
        self.user = user
        self.account = Bounded(MAX_ACCOUNTS)
        self.reason = Bounded(MAX_REASONS)


class Waits:
    """How long jobs waited before they started, for those that started since the first collection."""

    def __init__(self) -> None:
        self._started: set[tuple[str, int]] | None = None
        self.counts: dict[str, list[int]] = {}
        self.sums: dict[str, int] = defaultdict(int)

    def add(self, jobs: Iterable[Job]) -> None:
        """Count the jobs that have started and were not there before. A job that was queued again counts again."""
        started = {}
        for job in jobs:
            # A job that was cancelled while it waited has a start, but never had a node.
            if job.state != "pending" and job.nodes and job.start is not None and job.eligible is not None:
                started[(job.id, job.start)] = job
        if self._started is not None:
            for key in started.keys() - self._started:
                self._count(started[key].partition, max(0, key[1] - (started[key].eligible or 0)))
        self._started = set(started)

    def _count(self, partition: str, seconds: int) -> None:
        counts = self.counts.setdefault(partition, [0] * (len(WAIT_BUCKETS) + 1))
        counts[sum(seconds > bound for bound in WAIT_BUCKETS)] += 1
        self.sums[partition] += seconds


# --- The page --------------------------------------------------------------------------------------------------------


def label(text: str) -> str:
    """A label's value as the text format wants it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{label(value)}"' for name, value in values.items()) + "}"


class Page:
    """Prometheus' text format, family by family."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        """``samples`` are pairs of labels, as ``labels()`` gives them, and value."""
        self._family(name, "gauge", text, samples)

    def counter(self, name: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        self._family(name, "counter", text, samples)

    def _family(self, name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        self._lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        self._lines += [f"{name}{given} {value}" for given, value in samples]

    def waits(self, waits: Waits) -> None:
        name = "slurm_job_wait_seconds"
        self._lines.append(
            f"# HELP {name} Time from eligible to started, of jobs that started since the exporter runs."
        )
        self._lines.append(f"# TYPE {name} histogram")
        for partition, counts in sorted(waits.counts.items()):
            below = 0
            for bound, count in zip((*WAIT_BUCKETS, "+Inf"), counts):
                below += count
                self._lines.append(f"{name}_bucket{labels(partition=partition, le=str(bound))} {below}")
            self._lines.append(f"{name}_sum{labels(partition=partition)} {waits.sums[partition]}")
            self._lines.append(f"{name}_count{labels(partition=partition)} {below}")

    def encode(self) -> bytes:
        # A name that is no UTF-8 came in as lone surrogates, which leave as question marks.
        return ("\n".join(self._lines) + "\n").encode("utf-8", "replace")


def write_nodes(page: Page, nodes: Sequence[Node]) -> None:
    given = [(labels(node=node.name), node) for node in nodes]
    page.gauge(
        "slurm_node_state",
        "1 for the state of a node and for each flag of it.",
        ((labels(node=node.name, state=word), 1) for node in nodes for word in node.words),
    )
    page.gauge("slurm_node_gpus", "GPUs of a node.", ((own, node.gpus) for own, node in given))
    page.gauge("slurm_node_gpus_allocated", "GPUs that jobs hold.", ((own, node.gpus_allocated) for own, node in given))
    page.gauge("slurm_node_cpus", "CPUs of a node that jobs may have.", ((own, node.cpus) for own, node in given))
    page.gauge("slurm_node_cpus_allocated", "CPUs that jobs hold.", ((own, node.cpus_allocated) for own, node in given))
    page.gauge(
        "slurm_node_memory_bytes",
        "Memory of a node that jobs may have.",
        ((own, node.memory * MIB) for own, node in given),
    )
    page.gauge(
        "slurm_node_memory_allocated_bytes",
        "Memory that jobs hold.",
        ((own, node.memory_allocated * MIB) for own, node in given),
    )
    counts: Counter[tuple[str, str]] = Counter()
    for node in nodes:
        for partition in node.partitions:
            counts.update({(partition, state): 0 for state in COUNTED_STATES})
            counts[(partition, node.shown)] += 1
    page.gauge(
        "slurm_partition_nodes",
        "Nodes of a partition, each under the one state that matters most.",
        ((labels(partition=partition, state=state), count) for (partition, state), count in sorted(counts.items())),
    )


def write_jobs(page: Page, jobs: Sequence[Job], partitions: Iterable[str], names: Names) -> None:
    """The queue. ``partitions`` are written even where nothing waits or runs."""
    now = time.time()
    number: Counter[tuple[str, str]] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    holding: Counter[tuple[str, str]] = Counter()
    asked: Counter[str] = Counter()
    oldest: dict[str, float] = dict.fromkeys(partitions, 0.0)
    for job in jobs:
        if job.state == "ended":
            continue
        number[(job.partition, job.state)] += job.count
        oldest.setdefault(job.partition, 0.0)
        if job.state == "pending":
            reasons[(job.partition, names.reason(job.reason))] += job.count
            asked[job.partition] += job.gpus * job.count
            if job.eligible is not None and job.reason not in OWN_WAIT:
                oldest[job.partition] = max(oldest[job.partition], now - job.eligible)
        elif job.state in HOLDS_GPUS and job.gpus:
            holding[(job.partition, names.account(job.account))] += job.gpus
    written = sorted(oldest)
    page.gauge(
        "slurm_jobs",
        "Jobs; each task of a job array is one.",
        ((labels(partition=name, state=state), number[(name, state)]) for name in written for state in JOB_STATES),
    )
    page.gauge(
        "slurm_pending_gpus",
        "GPUs that pending jobs ask for.",
        ((labels(partition=name), asked[name]) for name in written),
    )
    page.gauge(
        "slurm_running_gpus",
        "GPUs that jobs of an account hold.",
        ((labels(partition=name, account=who), count) for (name, who), count in sorted(holding.items())),
    )
    page.gauge(
        "slurm_pending_oldest_seconds",
        "How long the oldest job waits that waits for nothing but the cluster.",
        ((labels(partition=name), round(oldest[name], 3)) for name in written),
    )
    page.gauge(
        "slurm_pending_reason_jobs",
        "Pending jobs by Slurm's reason.",
        ((labels(partition=name, reason=why), count) for (name, why), count in sorted(reasons.items())),
    )


def write_gpu_jobs(
    page: Page, jobs: Sequence[Job], shares: Mapping[str, Mapping[str, int]], limit: int, names: Names
) -> None:
    """A series for each job and node, at most ``limit``; the jobs with the most GPUs come first, then the oldest."""
    chosen: list[tuple[Job, Mapping[str, int]]] = []
    left_out = series = 0
    for job in sorted((job for job in jobs if job.id in shares), key=lambda one: (-one.gpus, one.start or 0, one.id)):
        if series + len(shares[job.id]) > limit:
            left_out += 1
            continue
        series += len(shares[job.id])
        chosen.append((job, shares[job.id]))
    page.gauge(
        "slurm_job_gpus",
        "GPUs that a job holds on a node.",
        (
            (
                labels(
                    job_id=job.id,
                    user=names.user(job.user),
                    account=names.account(job.account),
                    partition=job.partition,
                    node=name,
                ),
                count,
            )
            for job, share in chosen
            for name, count in share.items()
        ),
    )
    page.gauge(
        "slurm_job_start_timestamp_seconds",
        "When a job that holds GPUs started.",
        ((labels(job_id=job.id), job.start) for job, _share in chosen if job.start is not None),
    )
    page.gauge("slurm_exporter_gpu_jobs_left_out", "Jobs with GPUs beyond the bound of series.", [("", left_out)])


# --- Asking Slurm ----------------------------------------------------------------------------------------------------


class Commands:
    """Runs Slurm's commands from the directory ``programs``; none outlives its time."""

    def __init__(self, programs: str) -> None:
        self._programs = programs
        self._stuck: subprocess.Popen[str] | None = None
        # Variables of the commands' own options would change what they print.
        inherited = {name: value for name, value in os.environ.items() if not re.match("S(QUEUE|INFO|CONTROL)_", name)}
        self._env = {**inherited, "LC_ALL": "C", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}

    def __call__(self, words: Sequence[str], seconds: float) -> str:
        """The output. SlurmError if the command cannot be started, fails, or does not end in time."""
        if self._stuck is not None and self._stuck.poll() is None:
            raise SlurmError("timeout", f"process {self._stuck.pid} of an earlier collection cannot be ended")
        try:
            process = subprocess.Popen(
                [os.path.join(self._programs, words[0]), *words[1:]],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="surrogateescape",
                start_new_session=True,
            )
        except OSError as error:
            raise SlurmError("not_run", f"{words[0]} cannot be started from {self._programs}: {error}") from error
        try:
            out, complaint = process.communicate(timeout=max(0.1, seconds))
        except subprocess.TimeoutExpired as error:
            self._kill(process)
            raise SlurmError("timeout", f"{words[0]} did not end in time; does slurmctld answer?") from error
        if process.returncode != 0:
            said = (complaint.strip() or out.strip())[:300]
            raise SlurmError("refused", f"{words[0]} failed with {process.returncode}: {said!r}")
        return out

    def _kill(self, process: subprocess.Popen[str]) -> None:
        """End it with what it started. One that hangs in the kernel is remembered: there is never a second."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=KILLED_SECONDS)
        except ProcessLookupError:
            process.poll()
        except subprocess.TimeoutExpired:
            self._stuck = process


@dataclass(frozen=True)
class Settings:
    """``timeout`` bounds one collection, in seconds; ``max_job_series`` is 0 for no series of single jobs."""

    interval: float
    timeout: float
    max_job_series: int


class Exporter:
    """Collects, and keeps the page that is served until the next collection."""

    def __init__(self, run: Callable[[Sequence[str], float], str], settings: Settings, names: Names) -> None:
        self._run = run
        self._settings = settings
        self._names = names
        self._waits = Waits()
        self._failures: Counter[str] = Counter()
        self._collections = 0
        self._complaint = ""
        self._page: tuple[bytes, bytes] | None = None
        self._collected = time.monotonic()

    def collect(self) -> bool:
        """One collection; whether Slurm could be read. Takes little more than the timeout, and raises nothing."""
        started = time.monotonic()
        page = Page()
        good = False
        complaint = ""
        try:
            page = self._slurm(started + self._settings.timeout)
            good = True
        except SlurmError as error:
            self._failures[error.kind] += 1
            complaint = str(error)
        except Exception as error:  # whatever it was, the next collection may work
            self._failures["internal"] += 1
            complaint = f"{type(error).__name__}: {error}"
            log.debug("unexpected error", exc_info=True)
        if complaint != self._complaint:
            # Once, and not once in each interval.
            log.warning("Slurm is not read: %s", complaint) if complaint else log.info("Slurm is read again")
            self._complaint = complaint
        self._collections += 1
        self._write_own(page, good, time.monotonic() - started)
        text = page.encode()
        self._page = (text, gzip.compress(text, 1))
        self._collected = time.monotonic()
        return good

    def page(self, packed: bool = False) -> bytes:
        """What a scrape gets. Were collections to stop for whatever reason, this says that nothing is known."""
        late = time.monotonic() - self._collected - self._settings.interval - 2 * self._settings.timeout - 30
        if self._page is None or late > 0:
            page = Page()
            self._write_own(page, False, self._settings.timeout)
            text = page.encode()
            return gzip.compress(text, 1) if packed else text
        return self._page[1 if packed else 0]

    def _slurm(self, give_up_at: float) -> Page:
        jobs = self._jobs(give_up_at)
        nodes = parse_nodes(self._run(nodes_command(), give_up_at - time.monotonic()))
        page = Page()
        write_nodes(page, nodes)
        if hidden_jobs(jobs, nodes):
            # Or the first job of all started in between.
            jobs = self._jobs(give_up_at)
        hidden = hidden_jobs(jobs, nodes)
        page.gauge("slurm_exporter_jobs_hidden", "1 when Slurm does not show the jobs of others.", [("", int(hidden))])
        if not hidden:
            self._waits.add(jobs)
            partitions = {name for node in nodes for name in node.partitions}
            write_jobs(page, jobs, partitions, self._names)
            if self._settings.max_job_series:
                write_gpu_jobs(page, jobs, gpus_by_node(jobs, nodes), self._settings.max_job_series, self._names)
        return page

    def _jobs(self, give_up_at: float) -> list[Job]:
        mark = secrets.token_hex(4)
        return parse_jobs(self._run(jobs_command(mark), give_up_at - time.monotonic()), mark)

    def _write_own(self, page: Page, good: bool, seconds: float) -> None:
        page.waits(self._waits)
        page.gauge("slurm_up", "1 when the last collection could read nodes and jobs.", [("", int(good))])
        page.gauge("slurm_scrape_duration_seconds", "Time the last collection took.", [("", round(seconds, 6))])
        page.counter("slurm_exporter_collections_total", "Collections.", [("", self._collections)])
        page.counter(
            "slurm_exporter_failures_total",
            "Collections that failed.",
            [(labels(reason=kind), self._failures[kind]) for kind in FAILURES],
        )
        page.gauge("slurm_exporter_build_info", "Version of this exporter.", [(labels(version=VERSION), 1)])


def user_label(mode: str, key_file: str) -> Callable[[str], str]:
    """What is written for a user's name: nothing, the name, or a word that only the holder of the key can relate to it.

    Names alone are few and known, so a hash without a key would be as good as the name. The key is made once.
    """
    if mode == "none":
        return lambda _name: ""
    if mode == "name":
        return lambda name: name[:MAX_LABEL]
    path = Path(key_file)
    if not path.exists():
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    key = path.read_bytes()
    if len(key) < 32:
        raise OSError(f"{path} is too short for a key; remove it, and another one is made")
    return lambda name: hmac.new(key, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:12]


# --- Serving ---------------------------------------------------------------------------------------------------------


class Certificates:
    """A TLS context from files, read again when one of them changed. With ``client_ca``, clients need a certificate."""

    def __init__(self, certificate: str, key: str, client_ca: str) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._lock = threading.Lock()
        self._seen = self._state()
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        with self._lock:
            state = self._state()
            if state != self._seen:
                self._seen = state
                try:
                    self._context = self._load()
                    log.info("read the new certificate")
                except OSError as error:
                    # A certificate without its new key, for instance: the old ones are as good as before.
                    log.warning("the new certificate cannot be used: %s", error)
            return self._context

    def _state(self) -> tuple[int, ...]:
        paths = (self._certificate, self._key, self._client_ca)
        return tuple(os.stat(path).st_mtime_ns if path and os.path.exists(path) else 0 for path in paths)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key)
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the page at /metrics."""

    timeout = CLIENT_SECONDS
    server: Server
    server_version = "slurm_exporter"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"The metrics are at /metrics.\n", "text/plain; charset=utf-8", False)
            return
        packed = "gzip" in self.headers.get("Accept-Encoding", "")
        self._answer(200, self.server.exporter.page(packed), "text/plain; version=0.0.4; charset=utf-8", packed)

    do_HEAD = do_GET

    def _answer(self, code: int, content: bytes, kind: str, packed: bool) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread for each client, a bounded number of them, each for a bounded time."""

    daemon_threads = True
    request_queue_size = MAX_CLIENTS

    def __init__(self, address: str, port: int, exporter: Exporter, certificates: Certificates | None) -> None:
        self.exporter = exporter
        self._certificates = certificates
        self._free = threading.BoundedSemaphore(MAX_CLIENTS)
        family, _kind, _protocol, _name, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__(where[:2], Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        # That of HTTPServer asks the name service for the name of the machine, which may take long.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(CLIENT_SECONDS)
        if self._certificates is None:
            super().finish_request(request, client_address)
            return
        # In the client's own thread: one that never says anything must not keep others waiting.
        with self._certificates.context().wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("client %s", client_address, exc_info=True)


# --- Program ---------------------------------------------------------------------------------------------------------


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prometheus exporter of Slurm.")
    parser.add_argument("--listen-address", default="127.0.0.1")
    parser.add_argument("--listen-port", type=int, default=9341)
    parser.add_argument("--slurm-programs", default="/usr/bin", help="directory of scontrol and squeue")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between two collections")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds that one collection may take")
    parser.add_argument("--max-job-series", type=int, default=10000, help="series of single jobs, 0 for none")
    parser.add_argument("--user-label", choices=("none", "hash", "name"), default="none")
    parser.add_argument("--user-key-file", default="", help="key of the hashed names; made where it does not exist")
    parser.add_argument("--tls-certificate", default="")
    parser.add_argument("--tls-key", default="")
    parser.add_argument("--tls-client-ca", default="")
    parser.add_argument("--once", action="store_true", help="collect once, print the page, and end with 1 if it failed")
    options = parser.parse_args(arguments)
    if bool(options.tls_certificate) != bool(options.tls_key) or (options.tls_client_ca and not options.tls_key):
        parser.error("--tls-certificate and --tls-key belong together, and --tls-client-ca needs both")
    if options.user_label == "hash" and not options.user_key_file:
        parser.error("--user-label hash needs --user-key-file")
    return options


def collections(exporter: Exporter, interval: float, stop: threading.Event) -> Iterator[bool]:
    """A collection in each interval until ``stop`` is set."""
    while not stop.is_set():
        started = time.monotonic()
        yield exporter.collect()
        # After one that took longer than the interval, Slurm gets a moment of peace.
        stop.wait(max(1.0, interval - (time.monotonic() - started)))


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    try:
        names = Names(user_label(options.user_label, options.user_key_file))
        settings = Settings(options.interval, options.timeout, options.max_job_series)
        exporter = Exporter(Commands(options.slurm_programs), settings, names)
        if options.once:
            good = exporter.collect()
            sys.stdout.buffer.write(exporter.page())
            return 0 if good else 1
        tls = options.tls_certificate, options.tls_key, options.tls_client_ca
        server = Server(
            options.listen_address, options.listen_port, exporter, Certificates(*tls) if options.tls_key else None
        )
    except OSError as error:
        log.error("cannot start: %s", error)
        return 1
    for at, _good in enumerate(collections(exporter, options.interval, stop)):
        if at == 0:
            # Who came before the first collection ended has waited for it.
            threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
            log.info("listening on %s port %d", options.listen_address, server.server_port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
