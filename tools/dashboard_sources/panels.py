# The few kinds of panels that all pages are made of.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel has a title, a description, a unit and the data source of the page; none can be made without."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, heatmap, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as dash
from grafana_foundation_sdk.builders import stat as big
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .look import BLUE, ORANGE, PLAIN, RED, SOURCE, TO_NODE, TO_NODE_OF_SERIES, Query, Steps, steps, thresholds, words

Panel = big.Panel | timeseries.Panel | table.Panel | bargauge.Panel | statetimeline.Panel | heatmap.Panel
P = TypeVar("P", big.Panel, timeseries.Panel, table.Panel, bargauge.Panel, statetimeline.Panel, heatmap.Panel)

LINE_COLOURS = dash.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
SEVERITIES = words({"4": ("critical", RED), "3": ("high", ORANGE), "2": ("medium", "yellow"), "1": ("low", BLUE)})
BY_THRESHOLD = dash.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def _begin(made: P, title: str, description: str, unit: str, queries: Sequence[Query]) -> P:
    """What every panel has. Queries get the letters A, B, C ... in their order."""
    made = made.title(title).description(description).unit(unit).datasource(SOURCE)
    for letter, query in zip(string.ascii_uppercase, queries, strict=False):
        made = made.with_target(query.build(letter))
    return made


def stat(
    title: str,
    description: str,
    expr: str,
    unit: str = "none",
    limits: Steps = PLAIN,
    *,
    decimals: int | None = None,
    trend: bool = True,
    no_value: str = "-",
    texts: Sequence[model.ValueMapping] = (),
    to: dash.DashboardLink | None = None,
) -> big.Panel:
    """One figure on a coloured ground, with its course behind it."""
    made = _begin(big.Panel(), title, description, unit, [Query(expr)])
    made = made.thresholds(thresholds(limits)).color_scheme(BY_THRESHOLD).no_value(no_value)
    made = made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    made = made.color_mode(shapes.BigValueColorMode.VALUE if limits is PLAIN else shapes.BigValueColorMode.BACKGROUND)
    made = made.graph_mode(shapes.BigValueGraphMode.AREA if trend else shapes.BigValueGraphMode.NONE)
    made = made.text_mode(shapes.BigValueTextMode.VALUE).justify_mode(shapes.BigValueJustifyMode.AUTO)
    if decimals is not None:
        made = made.decimals(decimals)
    if texts:
        made = made.mappings(list(texts))
    return made.data_links([to]) if to else made


def graph(
    title: str,
    description: str,
    queries: Query | Sequence[Query],
    unit: str,
    *,
    limits: Steps = (),
    stacked: bool = False,
    low: float | None = 0,
    high: float | None = None,
    no_value: str = "No data",
    to_node: bool = False,
) -> timeseries.Panel:
    """Lines over time; those of most panels begin at zero. Limits are drawn as dashed lines."""
    made = _begin(timeseries.Panel(), title, description, unit, [queries] if isinstance(queries, Query) else queries)
    made = made.color_scheme(LINE_COLOURS).line_width(1).fill_opacity(60 if stacked else 8).no_value(no_value)
    made = made.show_points(shapes.VisibilityMode.NEVER).span_nulls(False)
    made = made.tooltip(
        common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)
    )
    made = made.legend(
        common.VizLegendOptions()
        .display_mode(shapes.LegendDisplayMode.LIST)
        .placement(shapes.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    if stacked:
        made = made.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    if limits:
        made = made.thresholds(thresholds(limits))
        made = made.thresholds_style(common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.DASHED))
    if low is not None:
        made = made.min(low)
    if high is not None:
        made = made.max(high)
    return made.data_links([TO_NODE_OF_SERIES]) if to_node else made


def bars(
    title: str,
    description: str,
    expr: str,
    legend: str,
    unit: str,
    limits: Steps = PLAIN,
    *,
    high: float | None = None,
    no_value: str = "No data",
    to_node: bool = False,
) -> bargauge.Panel:
    """One bar for each series now, the largest first."""
    query = Query(f"sort_desc({expr})", legend, instant=True)
    made = _begin(bargauge.Panel(), title, description, unit, [query])
    made = made.thresholds(thresholds(limits)).color_scheme(BY_THRESHOLD).min(0).no_value(no_value)
    made = made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    made = made.orientation(shapes.VizOrientation.HORIZONTAL).display_mode(shapes.BarGaugeDisplayMode.BASIC)
    made = made.show_unfilled(True).value_mode(shapes.BarGaugeValueMode.COLOR)
    if high is not None:
        made = made.max(high)
    return made.data_links([TO_NODE_OF_SERIES]) if to_node else made


def states(
    title: str,
    description: str,
    query: Query,
    texts: Sequence[model.ValueMapping],
    *,
    no_value: str = "No data",
    to_node: bool = False,
) -> statetimeline.Panel:
    """A band for each series, coloured by what its value means."""
    made = _begin(statetimeline.Panel(), title, description, "none", [query])
    made = made.mappings(list(texts)).color_scheme(BY_THRESHOLD).thresholds(thresholds(PLAIN)).no_value(no_value)
    made = made.merge_values(True).show_value(shapes.VisibilityMode.NEVER).row_height(0.8).fill_opacity(85)
    made = made.legend(
        common.VizLegendOptions()
        .display_mode(shapes.LegendDisplayMode.LIST)
        .placement(shapes.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    return made.data_links([TO_NODE_OF_SERIES]) if to_node else made


def heat(title: str, description: str, expr: str, unit: str, *, no_value: str = "No data") -> heatmap.Panel:
    """How the buckets of a histogram fill over time. *expr* gives one series for each ``le``."""
    made = _begin(heatmap.Panel(), title, description, unit, []).no_value(no_value)
    made = made.with_target(Query(expr, "{{le}}").build("A", PromQueryFormat.HEATMAP))
    made = made.calculate(False).show_legend()
    return made.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))


@dataclass(frozen=True)
class Column:
    """A column of figures: what it is called, and an expression with the labels of the table's rows."""

    name: str
    expr: str
    unit: str = "none"
    limits: Steps = ()
    decimals: int | None = None
    bar_to: float | None = None
    """Where a bar in the cell is full; no bar without it."""
    texts: Sequence[model.ValueMapping] = ()


def listing(
    title: str,
    description: str,
    labels: dict[str, str],
    columns: Sequence[Column],
    worst: str,
    *,
    least: bool = False,
    node_label: str = "instance",
    no_value: str = "No data",
) -> table.Panel:
    """A table of what is so now. *labels* are those of the rows with their headings; the row that is worst is first.

    *worst* is the heading of the column that decides, of which the greatest is the worst unless *least*. The column of
    *node_label* leads to the page of the node.
    """
    made = _begin(table.Panel(), title, description, "none", []).no_value(no_value)
    for letter, column in zip(string.ascii_uppercase, columns, strict=False):
        query = Query(column.expr, instant=True)
        made = made.with_target(query.build(letter, PromQueryFormat.TABLE))
    if len(columns) == 1:
        values = {"Value": columns[0].name}
    else:
        values = {
            f"Value #{letter}": column.name for letter, column in zip(string.ascii_uppercase, columns, strict=False)
        }
        made = made.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    named = {**labels, **values}
    made = made.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: index for index, name in enumerate(named)},
                "renameByName": named,
            },
        )
    )
    for column in columns:
        made = made.override_by_name(column.name, _look(column))
    if node_label in labels:
        made = made.override_by_name(labels[node_label], [model.DynamicConfigValue("links", [TO_NODE.build()])])
    made = made.sort_by([common.TableSortByFieldState().display_name(worst).desc(not least)])
    return made.show_header(True).cell_height(shapes.TableCellHeight.SM)


def _look(column: Column) -> list[model.DynamicConfigValue]:
    """Unit, thresholds and the kind of cell of a column."""
    found = [model.DynamicConfigValue("unit", column.unit)]
    if column.decimals is not None:
        found.append(model.DynamicConfigValue("decimals", column.decimals))
    if column.texts:
        found.append(model.DynamicConfigValue("mappings", list(column.texts)))
    if column.limits:
        found.append(model.DynamicConfigValue("thresholds", _config(column.limits)))
    if column.bar_to is not None:
        found += [model.DynamicConfigValue("min", 0), model.DynamicConfigValue("max", column.bar_to)]
        bar = shapes.TableBarGaugeCellOptions(
            mode=shapes.BarGaugeDisplayMode.BASIC, value_display_mode=shapes.BarGaugeValueMode.TEXT
        )
        found.append(model.DynamicConfigValue("custom.cellOptions", bar))
    elif column.limits or column.texts:
        ground = shapes.TableColoredBackgroundCellOptions(mode=shapes.TableCellBackgroundDisplayMode.BASIC)
        found.append(model.DynamicConfigValue("custom.cellOptions", ground))
    return found


def _config(limits: Steps) -> model.ThresholdsConfig:
    return model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=steps(limits))


def firing(description: str, selector: str, title: str = "Alerts that fire now") -> table.Panel:
    """The alerts that fire, the most severe first."""
    alerts = f'ALERTS{{alertstate="firing",alertname!="Watchdog",{selector},severity'
    ranked = f'4 * {alerts}="critical"}} or 3 * {alerts}="high"}} or 2 * {alerts}="medium"}}'
    expr = f'max by (alertname, instance, rack, fault_class) ({ranked} or {alerts}!~"critical|high|medium"}})'
    return listing(
        title,
        description,
        {"alertname": "Alert", "instance": "Node", "rack": "Rack", "fault_class": "Fault class"},
        [Column("Severity", expr, texts=SEVERITIES)],
        "Severity",
        no_value="Nothing fires",
    )
