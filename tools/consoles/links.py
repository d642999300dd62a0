"""Links between the dashboards that keep filters and time, in each console's way."""

from __future__ import annotations

from consoles.sources import Dashboard, Spec

LINK_ROWS = 3
"""Height of Kibana's panel of links, in rows of the grid."""


def kibana_panel(dashboard: Dashboard, there: list[Dashboard], index: str) -> tuple[Spec, list[Spec]]:
    """Return (configuration, references) of a Links panel to all dashboards; Kibana shows the own one as current."""
    links, references = [], []
    for order, target in enumerate(there):
        name = f"{dashboard.short}-to-{target.short}"
        reference = f"link_{name}_dashboard"
        links.append(
            {
                "id": name,
                "type": "dashboardLink",
                "label": target.label,
                "order": order,
                "destinationRefName": reference,
                "options": {"openInNewTab": False, "useCurrentDateRange": True, "useCurrentFilters": True},
            }
        )
        references.append({"name": f"{index}:{reference}", "type": "dashboard", "id": target.id})
    return {"attributes": {"layout": "horizontal", "links": links}, "enhancements": {}}, references


def markdown(dashboard: Dashboard, there: list[Dashboard]) -> str:
    """Return a line of links to the other dashboards, for OpenSearch Dashboards.

    No state is in a link: a part of the global state would reset the others, time and pinned filters.
    """
    return " · ".join(
        f"**{each.label}**" if each.id == dashboard.id else f"[{each.label}](#/view/{each.id})" for each in there
    )
