# What the panels share: queries, colours by threshold, texts for values, links.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as dash
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "aidc-ops"

# A series without such a label (one cluster, unknown rack) is matched by "all", which is the regular expression ".*".
FLEET = 'cluster=~"$cluster"'
PLACE = f'{FLEET},rack=~"$rack"'
NODES = f'{PLACE},instance=~"$node"'
GPUS = f'{NODES},gpu=~"$gpu"'

# Metrics that DCGM 4.6 calls otherwise than the versions before it.
GPU_TEMPERATURE = ("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP_CELSIUS")
ROW_REMAP_FAILURE = ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "DCGM_FI_DEV_ROW_REMAP_FAILED")
PCIE_REPLAYS = ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "DCGM_FI_DEV_PCIE_REPLAY_TOTAL")
# A line cannot be read among hundreds.
TOP = 10

BLUE, GREEN, ORANGE, RED, GREY = "blue", "green", "orange", "red", "#808080"


def either(names: Sequence[str], selector: str) -> str:
    """The series of a metric that has several names."""
    return f'{{__name__=~"{"|".join(names)}",{selector}}}'


@dataclass(frozen=True)
class Query:
    """An expression, and what its series are called in the legend or their column in a table."""

    expr: str
    legend: str = ""
    instant: bool = False

    def build(self, ref_id: str, form: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> prometheus.Dataquery:
        """The query as the SDK has it. *ref_id* is a letter of its own in each panel."""
        made = prometheus.Dataquery().expr(self.expr).ref_id(ref_id).datasource(SOURCE).format(form)
        if self.legend:
            made = made.legend_format(self.legend)
        return made.instant() if self.instant else made.range()


Steps = tuple[tuple[float | None, str], ...]
PLAIN: Steps = ((None, BLUE),)
ANY_IS_BAD: Steps = ((None, GREEN), (1, RED))
ANY_IS_ODD: Steps = ((None, GREEN), (1, ORANGE))
ALL_IS_WELL: Steps = ((None, RED), (1, GREEN))


def high_is_bad(warn: float, bad: float) -> Steps:
    """Green below *warn*, orange from there, red from *bad*."""
    return ((None, GREEN), (warn, ORANGE), (bad, RED))


def low_is_bad(bad: float, warn: float) -> Steps:
    """Red below *bad*, orange below *warn*, green from there."""
    return ((None, RED), (bad, ORANGE), (warn, GREEN))


def steps(limits: Steps) -> list[model.Threshold]:
    """The thresholds in the SDK's form."""
    return [model.Threshold(value=value, color=colour) for value, colour in limits]


def thresholds(limits: Steps) -> dash.ThresholdsConfig:
    """Absolute thresholds for a panel."""
    return dash.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps(limits))


def words(texts: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    """A text and a colour for each value."""
    options = {
        value: model.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return [model.ValueMap(options=options)]


YES_IS_BAD = words({"0": ("no", GREEN), "1": ("yes", RED)})
UP_IS_GOOD = words({"0": ("down", RED), "1": ("up", GREEN)})


def link(title: str, page: str, variables: Sequence[str] = (), **values: str) -> dash.DashboardLink:
    """A link from a value to another page; it keeps the time, the data source and the named variables."""
    kept = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "cluster", *variables))
    more = "".join(f"&var-{name}={value}" for name, value in values.items())
    return dash.DashboardLink(title).url(f"/d/{page}?{kept}{more}&${{__url_time_range}}")


TO_NODE = link("Open the page of this node", "aidc-gpu-node", node="${__value.text}")
TO_NODE_OF_SERIES = link("Open the page of this node", "aidc-gpu-node", node="${__field.labels.instance}")


def rate(counter: str, selector: str) -> str:
    """How fast a counter grows, in a second, over the span that Grafana finds right for the resolution shown."""
    return f"rate({counter}{{{selector}}}[$__rate_interval])"
