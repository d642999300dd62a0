"""Render the Helm chart: `python tools/render_chart.py`. Needs `helm` (version 3), which is no dependency.

Each file of values in tests/samples/helm is rendered to NAME.rendered.yaml beside it, so that the tests hold the
chart's objects to Kubernetes' schemas and to deploy/kubernetes where there is no helm. The first line is a digest of
the chart and the values: a test fails when they have changed since.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "ipi-es"
VALUES = ROOT / "tests" / "samples" / "helm"
KUBERNETES = "1.29.0"
"""The version that helm is told, since it asks no server here."""


def digest(values: Path) -> str:
    """Return a digest of everything that a rendering depends on."""
    made = hashlib.sha256()
    for path in (*sorted(each for each in CHART.rglob("*") if each.is_file()), values):
        made.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return made.hexdigest()


def render(values: Path) -> str:
    """Return the chart's objects with these values, for a release of the name ipi-es. Raises CalledProcessError."""
    command = ["helm", "template", "ipi-es", str(CHART), "--values", str(values), "--kube-version", KUBERNETES]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Render each file of values."""
    for values in sorted(VALUES.glob("*.yaml")):
        if not values.name.endswith(".rendered.yaml"):
            text = "".join(f"{line}\n" for line in map(str.rstrip, render(values).splitlines()))
            values.with_suffix(".rendered.yaml").write_text(f"# {digest(values)}\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
