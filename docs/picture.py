"""Draws the README's picture: what the demo prints, as an SVG of a terminal.

Usage: ``COLORTERM=truecolor FORCE_COLOR=1 COLUMNS=130 ipi-es demo | python docs/picture.py > docs/demo.svg``
"""

import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

WIDTH = 130  # characters

FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""

with open("/dev/null", "w", encoding="utf-8") as nowhere:  # noqa: PTH123
    console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
    printed = sys.stdin.read().strip("\n").replace(str(Path.home()), "~")
    console.print(Text.from_ansi(printed))
sys.stdout.write(console.export_svg(title="ipi-es demo", theme=DIMMED_MONOKAI, code_format=FORMAT, unique_id="demo"))
