# A page: its variables, its links, the marks of alerts, and where each panel stands.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import dashboard as dash
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import Options as HeatmapOptions
from grafana_foundation_sdk.models.table import Options as TableOptions

from .look import FLEET, GPU_TEMPERATURE, NODES, PLACE, SOURCE, TAG, either
from .panels import Panel

T = TypeVar("T")
WIDTH = 24
SEVERE = 'severity=~"critical|high"'
ALL = model.VariableOption(selected=True, text="All", value="$__all")


class AlertMarks(model.AnnotationQuery):
    """Marks on the time axis where alerts fire.

    What Grafana's Prometheus data source reads besides the common fields is not in the SDK's model, nor in the schema.
    """

    def __init__(self, selector: str) -> None:
        super().__init__(
            name="Alerts",
            datasource=SOURCE,
            enable=True,
            hide=False,
            icon_color="red",
            expr=f'ALERTS{{alertstate="firing",{selector}}}',
        )

    def to_json(self) -> dict[str, object]:
        """The fields, those of the data source too."""
        return {
            **super().to_json(),
            "step": "60s",
            "tagKeys": "severity,fault_class",
            "textFormat": "{{instance}} {{device}}",
            "titleFormat": "{{alertname}}",
        }


class Ready(Builder[T]):
    """Something that is built already, where the SDK asks for a builder."""

    def __init__(self, made: T) -> None:
        self._made = made

    def build(self) -> T:
        """What was given."""
        return self._made


def current(panel: Panel) -> Ready[model.Panel]:
    """The panel without the options that Grafana no longer has; it read them as what is the default now."""
    made = panel.build()
    if isinstance(made.options, TableOptions):
        made.options.footer = None
    if isinstance(made.options, HeatmapOptions):
        made.options.tooltip = None  # type: ignore[assignment]
    return Ready(made)


def variable(
    name: str, label: str, query: str, description: str, *, multi: bool = True, numbers: bool = False
) -> dash.QueryVariable:
    """A variable whose values are those of a label: several and all, or one. "All" matches series without it, too."""
    made = dash.QueryVariable(name).label(label).description(description).datasource(SOURCE).query(query)
    made = made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(multi).include_all(multi)
    made = made.sort(model.VariableSort.NUMERICAL_ASC if numbers else model.VariableSort.ALPHABETICAL_ASC)
    return made.all_value(".*").current(ALL) if multi else made


def cluster() -> dash.QueryVariable:
    """The cluster: a label that a site gives each Prometheus whose series come together in one place."""
    return variable("cluster", "Cluster", "label_values(up, cluster)", "Where several clusters send to one place")


def rack() -> dash.QueryVariable:
    """The rack of nodes."""
    return variable("rack", "Rack", f"label_values(up{{{FLEET}}}, rack)", "The rack of the nodes")


def node(multi: bool = True) -> dash.QueryVariable:
    """The nodes by their names in the inventory; one alone without *multi*."""
    query = f'label_values(up{{job="node_exporter",{PLACE}}}, instance)'
    return variable("node", "Node", query, "Names as in the inventory", multi=multi)


def gpu() -> dash.QueryVariable:
    """The index of the GPU in its node."""
    query = f"label_values({either(GPU_TEMPERATURE, NODES)}, gpu)"
    return variable("gpu", "GPU", query, "The number of the GPU in its node", numbers=True)


class Page:
    """A dashboard that is filled line by line. *alerts* selects those that it marks on the time axis."""

    def __init__(
        self,
        uid: str,
        title: str,
        description: str,
        variables: Sequence[dash.QueryVariable],
        *,
        alerts: str = f"{SEVERE},{NODES}",
        since: str = "now-6h",
    ) -> None:
        source = dash.DatasourceVariable("datasource").label("Data source").type("prometheus")
        self._page = (
            dash.Dashboard(title)
            .uid(uid)
            .description(description)
            .tags([TAG])
            .timezone("browser")
            .time(since, "now")
            .refresh("1m")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .with_variable(source)
            .annotation(Ready(AlertMarks(alerts)))
            .link(
                dash.DashboardLink("Other pages")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .include_vars(True)
                .keep_time(True)
                .icon("external link")
                .tooltip("The other pages, for the same nodes and the same time")
            )
        )
        for one in variables:
            self._page = self._page.with_variable(one)
        self._y = 0
        self._last_id = 0

    def heading(self, title: str) -> Page:
        """Begin a part of the page; panels must follow."""
        place = model.GridPos(x=0, y=self._y, w=WIDTH, h=1)
        self._page = self._page.with_row(dash.Row(title).id(self._next_id()).grid_pos(place))
        self._y += 1
        return self

    def line(self, *panels: Panel, height: int = 8, widths: Sequence[int] = ()) -> Page:
        """Panels side by side over the whole width, equally wide unless *widths* are given."""
        count = len(panels)
        wide = list(widths) or [WIDTH // count + (index < WIDTH % count) for index in range(count)]
        if sum(wide) != WIDTH:
            raise ValueError(f"a line of {count} panels has the widths {wide}, which are not {WIDTH} together")
        x = 0
        for panel, width in zip(panels, wide, strict=True):
            place = model.GridPos(x=x, y=self._y, w=width, h=height)
            self._page = self._page.with_panel(current(panel.id(self._next_id()).grid_pos(place)))
            x += width
        self._y += height
        return self

    def build(self) -> model.Dashboard:
        """The finished dashboard."""
        made = self._page.build()
        # Grafana has no style of a page and no id of a variable any more.
        made.style = None  # type: ignore[assignment]
        for one in (made.templating.list_val if made.templating else None) or []:
            # The others are those of a variable that is a span of time.
            one.id_val = None  # type: ignore[assignment]
            one.auto = one.auto_min = one.auto_count = None
        return made

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
