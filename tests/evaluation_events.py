"""Tiny events for the tests of the evaluation, as objects and as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ipi_es.addresses import parse
from ipi_es.evaluation.evaluation_events import NO_GROUP, EvaluationEvents

DAY = 86_400


def events_of(
    rows: list[tuple[int, str, str]], *, groups: dict[str, int] | None = None, labels: list[int] | None = None
) -> EvaluationEvents:
    """Events of (time, entity, address text); ``groups``: entity → code; ``labels``: a code for each row."""
    names, entity = np.unique([row[1] for row in rows], return_inverse=True)
    texts, ip = np.unique([row[2] for row in rows], return_inverse=True)
    addresses, valid = parse([str(text) for text in texts])
    assert valid.all()
    group = [(groups or {}).get(row[1], NO_GROUP) for row in rows]
    kinds = max(labels or [0])
    return EvaluationEvents(
        time=np.array([row[0] for row in rows], dtype=np.int64),
        entities=[str(name) for name in names],
        entity=entity.astype(np.int32),
        addresses=addresses,
        ip=ip.astype(np.int32),
        group=np.array(group, dtype=np.int32),
        label=np.array(labels or [0] * len(rows), dtype=np.int32),
        labels=tuple(f"kind{code}" for code in range(1, kinds + 1)),
        labelled=labels is not None,
    )


def company_csv(path: Path, *, days: int = 24, people: int = 40, attacks: bool = False, seed: int = 0) -> Path:
    """A file of people with a home and an office; ``attacks``: a label column, and some rows from elsewhere."""
    rng = np.random.default_rng(seed)
    columns = "timestamp,entity,ip,group" + (",label" if attacks else "")
    lines = []
    for day in range(days):
        for who in range(people):
            for hour in rng.choice(24, 2, replace=False):
                office = rng.random() < 0.5
                site = (
                    f"198.51.{who % 4}.7"
                    if office
                    else f"{20 + who}.{who * 3 % 200}.{10 + who}.{int(rng.integers(9)) + 1}"
                )
                line = f"2026-03-{1 + day:02d}T{int(hour):02d}:00:00Z,person{who},{site},team{who % 4}"
                lines.append(line + (",benign" if attacks else ""))
            if attacks and day > days // 2 and rng.random() < 0.1:
                lines.append(
                    f"2026-03-{1 + day:02d}T05:00:00Z,person{who},203.0.113.{int(rng.integers(1, 250))},x,attack"
                )
    path.write_text("\n".join([columns, *lines]) + "\n", encoding="utf-8")
    return path
