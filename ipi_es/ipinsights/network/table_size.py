"""Checks whether the tables are large enough for the entities and networks seen: warnings, each with a remedy. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipi_es.ipinsights.history.history import History
    from ipi_es.ipinsights.history.sketches import Sketch

ROWS_PER_ENTITY = 2
"""Rows of the entity table per entity that SageMaker recommends; benchmarks/table_size.py measures fewer."""
CROWDED = 0.5
"""Share of a hashed table's cells in use from which every fourth key shares both of its cells with other keys."""


def entity_table(rows: int, entities: int, *, about: bool = False) -> tuple[str, str] | None:
    """Return (problem, remedy) where ``rows`` of the entity table are too few for ``entities``, else None.

    ``about``: the entities were counted approximately.
    """
    advised = ROWS_PER_ENTITY * entities
    if rows >= advised:
        return None
    shared = 1.0 - float(np.exp(-(entities - 1) / rows))
    counted = f"about {entities:,}" if about else f"{entities:,}"
    return (
        f"{rows:,} rows for {counted} entities: {100 * shared:.0f} % of them share one",
        f"set num_entity_vectors to auto, or to {advised:,} and more",
    )


def history_tables(history: History) -> Iterator[tuple[str, str]]:
    """Yield (problem, remedy) for each hashed table of a history with too many cells in use; these grow every day."""
    for name, sketch in (("(entity, network)", history.pairs), ("network", history.networks)):
        share, cells = used(sketch), sketch.count.shape[1]
        if share > CROWDED:
            text = f"{100 * share:.0f} % of the {cells:,} cells of the history's table by {name} are in use"
            yield (
                f"{text}: counts of different ones add up",
                "train again, over a shorter training.window, or make several jobs of this one",
            )


def used(sketch: Sketch) -> float:
    """Return the share of cells in use in a sketch's first row."""
    return int(np.count_nonzero(sketch.count[0])) / int(sketch.count.shape[1])
