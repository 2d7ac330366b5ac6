# What the inventory asks a Prometheus-compatible server, and the hosts that it makes of the answers.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server does the counting: 50,000 nodes with 8 GPUs are one line for each node here, not 400,000 series.

The names of the series are those of our exporters and rules, and of NVIDIA's DCGM exporter in both its generations.
"""

from __future__ import annotations

import json
import re
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.aidc.ops.plugins.module_utils._errors import PrometheusError
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.answers import Sample, Target, plain_value
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.plugins.plugin_utils._inventory import FoundHost, is_name_or_address

READ = ("gpus", "alerts", "node_id")

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

# GPUs as the exporter of the node counts them. One that is too slow to answer is there; an exporter that answers
# without a GPU says zero; what no exporter tells may be in the hardware record of the node (AMD's GPUs are).
_GPUS = """\
(
  count by ({host}, model) (
    label_replace(
      group by ({host}, UUID, modelName) ({{__name__=~"DCGM_FI_DEV_GPU_TEMP|DCGM_FI_DEV_GPU_TEMP_CELSIUS"}})
      or group by ({host}, UUID, modelName) (aidc_gpu_stale == 1),
      "model", "$1", "modelName", "(.*)"
    )
  )
  or 0 * max by ({host}) (aidc_gpu_count == 0)
)
or on ({host}) label_replace(sum by ({host}, model) (aidc_ops_hardware_gpus), "source", "record", "", "")"""

PROBLEM_SERIES = {
    "lost": "aidc_gpu_lost == 1",
    "not_answering": "aidc_gpu_stale == 1",
    "row_remap_failure": '{__name__=~"DCGM_FI_DEV_ROW_REMAP_FAILURE|DCGM_FI_DEV_ROW_REMAP_FAILED"} == 1',
    "row_remap_pending": "DCGM_FI_DEV_ROW_REMAP_PENDING == 1",
    "ecc_uncorrected": "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL > 0",
    "recovery_action": "aidc_gpu_recovery_action > 0",
}
_NOT_ABOUT_THE_ALERT = ("__name__", "alertstate")


@dataclass(frozen=True)
class Question:
    """What is asked: the options of the inventory plugin."""

    hosts_from: tuple[str, ...] = ("up",)
    jobs: tuple[str, ...] = ("node_exporter", "gpu_exporter")
    hosts_query: str | None = None
    host_label: str = "instance"
    strip_port: bool = True
    label_variables: t.Mapping[str, str] = field(default_factory=dict)
    read: tuple[str, ...] = READ
    series: tuple[t.Mapping[str, t.Any], ...] = ()

    def check(self) -> None:
        """Raise PrometheusError for what cannot be asked."""
        for label in (self.host_label, *self.label_variables.values()):
            if not _LABEL.fullmatch(str(label)):
                raise PrometheusError(f"{label!r} is not the name of a label")
        for variable in (*self.label_variables, *(entry.get("variable") for entry in self.series)):
            if not (isinstance(variable, str) and variable.isidentifier() and variable.isascii()):
                raise PrometheusError(f"{variable!r} is not the name of a variable")
        if "query" in self.hosts_from and not self.hosts_query:
            raise PrometheusError("hosts_from names query, so hosts_query is needed")
        if {"up", "targets"} & set(self.hosts_from) and not self.jobs:
            raise PrometheusError("jobs is empty, so no target can be a host")
        for entry in self.series:
            if not entry.get("query"):
                raise PrometheusError(f"series: {entry.get('variable')} has no query")

    def queries(self) -> dict[str, str]:
        """The expressions by what they are for."""
        host, found = self.host_label, {}
        if "up" in self.hosts_from:
            labels = ", ".join(dict.fromkeys((host, "job", *self.label_variables.values())))
            jobs = json.dumps("|".join(re.escape(job) for job in self.jobs), ensure_ascii=False)
            found["up"] = f'max by ({labels}) (up{{job=~{jobs},{host}!=""}})'
        if "query" in self.hosts_from:
            found["query"] = str(self.hosts_query)
        if "gpus" in self.read:
            found["gpus"] = _GPUS.format(host=host)
            found["problems"] = (
                f"count by ({host}, problem) (\n  "
                + "\n  or ".join(
                    f'label_replace({series}, "problem", "{name}", "", "")' for name, series in PROBLEM_SERIES.items()
                )
                + "\n)"
            )
        if "alerts" in self.read:
            found["alerts"] = f'ALERTS{{alertstate="firing",{host}!=""}}'
        if "node_id" in self.read:
            found["node_id"] = f'group by ({host}, node_id) (aidc_ops_hardware_info{{node_id!="",{host}!=""}})'
        return found


class Fleet:
    """The hosts, while the answers are put together."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._label = question.host_label
        self._name_of: dict[str, str] = {}
        self._health: dict[str, list[bool]] = {}
        self.variables: dict[str, dict[str, t.Any]] = {}
        self.disagreeing: list[str] = []

    def hosts(self) -> list[FoundHost]:
        """All hosts, in the order of their names."""
        for name, health in self._health.items():
            state = "up" if all(health) else "partial" if any(health) else "down"
            self.variables[name]["aidc_ops_state"] = state
        return [FoundHost(name, self.variables[name]) for name in sorted(self.variables)]

    def add_up(self, samples: t.Iterable[Sample]) -> None:
        for labels, value, _moment in samples:
            self._add(labels, value == 1)

    def add_targets(self, targets: t.Iterable[Target]) -> None:
        """Add the targets of the jobs; the address that is scraped is the one to connect to."""
        for target in targets:
            if target.labels.get("job") not in self._question.jobs:
                continue
            if not target.labels.get(self._label):
                raise PrometheusError(f"the target {target.scrape_url!r:.200} has no label {self._label}")
            name = self._add(target.labels, target.health == "up" if target.health != "unknown" else None)
            address = without_port(target.discovered_labels.get("__address__", ""))
            if address and address != name:
                if not is_name_or_address(address):
                    raise PrometheusError(f"{address!r:.200} is not the address of a host")
                self.variables[name]["ansible_host"] = address

    def add_query(self, samples: t.Iterable[Sample]) -> None:
        for labels, _value, _moment in samples:
            if not labels.get(self._label):
                raise PrometheusError(f"hosts_query gives a series without the label {self._label}: {labels!r:.200}")
            self._add(labels, None)

    def set_gpus(self, samples: t.Iterable[Sample]) -> None:
        for labels, value, _moment in samples:
            variables = self._of(labels)
            if variables is None:
                continue
            models = variables["aidc_ops_gpu_models"] or {}
            if value:
                model = labels.get("model") or "unknown"
                models[model] = models.get(model, 0) + int(value)
            variables["aidc_ops_gpu_models"] = models
            variables["aidc_ops_gpu_count"] = sum(models.values())
            # The model that most of them are; of equally many the first by name.
            known = sorted((-count, model) for model, count in models.items() if model != "unknown")
            variables["aidc_ops_gpu_model"] = known[0][1] if known else None
            # The record says what is there and not how it is; only the exporter of the GPUs says that.
            if labels.get("source") != "record":
                variables["aidc_ops_gpu_problems"] = {}

    def set_problems(self, samples: t.Iterable[Sample]) -> None:
        for labels, value, _moment in samples:
            variables = self._of(labels)
            if variables is not None:
                problems = variables["aidc_ops_gpu_problems"] or {}
                problems[labels.get("problem", "")] = int(value)
                variables["aidc_ops_gpu_problems"] = problems

    def set_alerts(self, samples: t.Iterable[Sample]) -> None:
        for variables in self.variables.values():
            variables["aidc_ops_alerts"] = []
        for labels, _value, _moment in samples:
            variables_of_host = self._of(labels)
            if variables_of_host is not None:
                left_out = (*_NOT_ABOUT_THE_ALERT, self._label)
                alert = {label: text for label, text in labels.items() if label not in left_out}
                variables_of_host["aidc_ops_alerts"].append(alert)

    def set_node_id(self, samples: t.Iterable[Sample]) -> None:
        for labels, _value, _moment in samples:
            variables = self._of(labels)
            if variables is None:
                continue
            known, node_id = variables["aidc_ops_node_id"], labels.get("node_id")
            if known not in (None, node_id):
                raise PrometheusError(
                    f"{labels[self._label]!r:.100} has two node ids, {known!r:.100} and {node_id!r:.100}: two nodes"
                    f" share this {self._label}"
                )
            variables["aidc_ops_node_id"] = node_id

    def set_series(self, variable: str, label: str | None, samples: t.Iterable[Sample]) -> None:
        """Set a variable of the person's own to a label or to the value of a series."""
        for variables in self.variables.values():
            variables.setdefault(variable, None)
        seen: set[int] = set()
        for labels, value, _moment in samples:
            variables_of_host = self._of(labels)
            if variables_of_host is None:
                continue
            if id(variables_of_host) in seen:
                raise PrometheusError(
                    f"series: {variable}: {labels[self._label]!r:.100} has more than one; aggregate them with"
                    f" 'by ({self._label})'"
                )
            seen.add(id(variables_of_host))
            variables_of_host[variable] = labels.get(label) if label else plain_value(value)

    def _add(self, labels: t.Mapping[str, str], up: bool | None) -> str:
        name = self._name(labels[self._label])
        variables = self.variables.get(name)
        if variables is None:
            variables = self.variables[name] = {
                "aidc_ops_node_id": None,
                "aidc_ops_gpu_model": None,
                "aidc_ops_gpu_models": None,
                "aidc_ops_gpu_count": None,
                "aidc_ops_gpu_problems": None,
                "aidc_ops_state": None,
                "aidc_ops_alerts": None,
            }
        if up is not None:
            self._health.setdefault(name, []).append(up)
        for variable, label in self._question.label_variables.items():
            value = labels.get(label)
            if value and variables.setdefault(variable, value) != value:
                self.disagreeing.append(f"{label} of {name} is {variables[variable]} and {value}")
        return name

    def _of(self, labels: t.Mapping[str, str]) -> dict[str, t.Any] | None:
        """The variables of the host that a series is about; None if it is not about one of our hosts."""
        value = labels.get(self._label)
        return self.variables.get(self._name(value)) if value else None

    def _name(self, value: str) -> str:
        name = self._name_of.get(value)
        if name is None:
            name = self._name_of[value] = without_port(value) if self._question.strip_port else value
        return name


def read_fleet(client: PrometheusClient, question: Question) -> Fleet:
    """Ask for everything at once and put it together. Raises PrometheusError if any answer is missing."""
    question.check()
    fleet = Fleet(question)
    pool = ThreadPoolExecutor(max_workers=4)
    try:
        asked = {what: pool.submit(client.samples, query) for what, query in question.queries().items()}
        targets = pool.submit(client.targets) if "targets" in question.hosts_from else None
        own = [pool.submit(client.samples, str(entry["query"])) for entry in question.series]
        take = {
            "up": fleet.add_up,
            "query": fleet.add_query,
            "gpus": fleet.set_gpus,
            "problems": fleet.set_problems,
            "alerts": fleet.set_alerts,
            "node_id": fleet.set_node_id,
        }
        # The order counts: first who is a host, then what is known about the hosts.
        if targets is not None:
            fleet.add_targets(targets.result())
        for what, answer in asked.items():
            take[what](answer.result())
        for entry, answer in zip(question.series, own, strict=True):
            fleet.set_series(entry["variable"], entry.get("label"), answer.result())
    finally:
        # A server that hangs costs one timeout, and not one for each question.
        pool.shutdown(wait=False, cancel_futures=True)
    return fleet


def without_port(address: str) -> str:
    """The host of host:port, [IPv6]:port or of one of them without a port."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, colon, port = address.partition(":")
    return host if colon and port.isdigit() else address
