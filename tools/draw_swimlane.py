"""Draw the dashboards' swim-lane of the entities as `docs/swimlane.svg`, from a server that holds the demo's results.

Example: ipi-es demo --keep, then: python tools/draw_swimlane.py http://127.0.0.1:PORT
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import vl_convert  # noqa: E402 - what is beside it isn't a package
from console_parts import picture, request  # noqa: E402
from consoles import sources, vega  # noqa: E402

END = 1_780_272_000_000  # 2026-06-01, epoch milliseconds: where the demo's ten scored days end
DAYS = 10
SIZE = {"width": 1_000, "height": 340}


def main() -> None:
    """Search the server that the argument names, draw, and write the file."""
    spec = vega.swimlane(sources.panels()["lanes-entities"], "kibana")
    context = {"bool": {"filter": [{"term": {"job_id": "demo"}}, sources.hidden("lanes-entities")]}}
    body = request(spec, END - DAYS * 86_400_000, END, context)
    url = f"{sys.argv[1].rstrip('/')}/ipi-es-anomalies/_search"
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310 - as given
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        svg = picture(spec, json.load(answer), vl_convert.vega_to_svg, **SIZE)
    svg = re.sub(r' (aria-\w+|role|stroke-miterlimit|pointer-events)="[^"]*"', "", svg)  # needed in consoles only
    text = "Swim-lane of the demo's most unusual entities over ten days, coloured by severity"
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{text}" ', 1)
    (ROOT / "docs" / "swimlane.svg").write_text(svg + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
