"""Write `kibana/kibana.ndjson` and `kibana/opensearch-dashboards.ndjson` from `kibana/sources`.

Example: python tools/build_dashboards.py
With --check nothing is written: it reports whether the files match the sources.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from consoles import kibana, opensearch
from consoles.sources import ROOT, Spec

FILES = {"kibana.ndjson": kibana.objects, "opensearch-dashboards.ndjson": opensearch.objects}


def ndjson(objects: list[Spec]) -> str:
    """Return one object per line with sorted keys: the same sources give the same bytes."""
    return "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in objects)


def main() -> int:
    """Write or check the files; return 1 if ``--check`` found a difference, else 0."""
    wrong = 0
    for name, objects in FILES.items():
        file, text = ROOT / "kibana" / name, ndjson(objects())
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            print(f"{name}: as the sources say")
        elif "--check" in sys.argv[1:]:
            print(f"{name}: differs from the sources; run python tools/build_dashboards.py")
            wrong = 1
        else:
            file.write_text(text, encoding="utf-8")
            print(f"{name}: written")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main())
