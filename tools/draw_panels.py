"""Draw every panel of the dashboards as a PNG from what a server answers, to be looked at: no console is needed.

Swim-lanes are drawn by their own Vega; charts and tables by Vega-Lite with the searches and the look of Lens.

Example: ipi-es demo --keep, then: python tools/draw_panels.py http://127.0.0.1:PORT build/panels
         … http://127.0.0.1:PORT build/empty --start 2020-01-01 --end 2020-01-02
         … http://127.0.0.1:PORT build/entity --only partition_field_value=alice
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

from console_parts import picture, request  # noqa: E402 - what is beside it isn't a package
from consoles import panel_pictures, sources, vega  # noqa: E402

UNIT = 24, 20
"""Pixels of a dashboard's column and row on a screen 1,150 pixels wide."""
LEAST_HEIGHT = 110


def main() -> None:
    """Search the server, draw each panel, print the files' names."""
    given = _arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    scripts = {name: each["script"] for name, each in sources.data_views()["results"]["computed"].items()}
    start, end = (int(each.timestamp() * 1_000) for each in (given.start, given.end))
    chosen = [{"term": dict([each.split("=", 1)])} for each in given.only]
    for name, panel in sources.panels().items():
        if panel["kind"] == "text":
            continue
        only = chosen if given.all else [*chosen, sources.hidden(name)]
        width, height = panel["size"][0] * UNIT[0], max(panel["size"][1] * UNIT[1], LEAST_HEIGHT)
        if panel["kind"] == "swimlane":
            spec = vega.swimlane(panel, "kibana")
            context = {"bool": {"filter": only}}
            png = picture(
                spec, _ask(given.url, request(spec, start, end, context)), _png, width=width, height=height, scale=1
            )
        else:
            answer = _ask(given.url, panel_pictures.asked(panel, scripts, (start, end), only))
            png = panel_pictures.draw(panel, answer, (start, end), (width, height))
        (given.folder / f"{name}.png").write_bytes(png)
        sys.stdout.write(f"{given.folder / name}.png\n")


def _png(spec: sources.Spec, **options: Any) -> bytes:
    import vl_convert

    return bytes(vl_convert.vega_to_png(spec, **options))


def _ask(url: str, body: sources.Spec) -> sources.Spec:
    address = f"{url.rstrip('/')}/ipi-es-anomalies/_search"
    sent = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310 - as given
    with urllib.request.urlopen(sent) as answer:  # noqa: S310
        return dict(json.load(answer))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=_day, default="2026-05-22", help="the demo's first scored day unless given")
    parser.add_argument("--end", type=_day, default="2026-06-01")
    parser.add_argument("--only", action="append", default=[], metavar="FIELD=VALUE", help="a dashboard's control")
    parser.add_argument("--all", action="store_true", help="with what the dashboards' filters hide")
    return parser.parse_args()


def _day(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


if __name__ == "__main__":
    main()
