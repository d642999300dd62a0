"""Scoring of blocks of rows with one snapshot and its history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipi_es.cli.pairs.score_rows import Row, Score
from ipi_es.cli.pairs.score_sagemaker import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.embedded_addresses import Embedding
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.networks.network_table import NetworkTable
    from ipi_es.worker.training.job_snapshot import JobSnapshot


@dataclass(frozen=True, slots=True)
class PairScorer:
    """A snapshot with its history that scores rows."""

    snapshot: JobSnapshot
    scorer: Scorer
    spell: Callable[[str], str]
    """Returns an entity as the history has it."""
    networks: NetworkTable | None = None
    """The table from the job's network files: rows have neither operators nor countries."""
    translators: tuple[Embedding, ...] = ()
    """The job's `nat64_prefixes`."""

    def score(self, rows: Sequence[Row]) -> list[Score | None]:
        """Score rows; the result is in their order, None for a malformed row."""
        from ipi_es.scoring.calibration import CLASS_NAMES
        from ipi_es.scoring.probability import written_probability

        good = _Pairs.of(rows, self.spell, self.translators)
        if good is None:
            return [None] * len(rows)
        seen = self.scorer.score(good.entities, good.addresses, good.entity, good.ip, self._context(good.addresses))
        history = self.scorer.history
        calibration = self.snapshot.references.successes.calibration
        classes = calibration.classes(seen.prior_events[good.entity], history.age)
        ln_p = calibration.ln_probability(seen.log_odds, classes).ln_p
        # rows in SageMaker's format also get its dot_product
        alone = self._dot_products(good) if any(row.sagemaker for row in rows) else seen.log_odds
        columns = (seen.log_odds, written_probability(ln_p), classes, alone)
        scored = zip(*(column.tolist() for column in columns), strict=True)
        found = iter([Score(odds, probability, CLASS_NAMES[class_], dot) for odds, probability, class_, dot in scored])
        return [None if row.error else next(found) for row in rows]

    def _context(self, addresses: Addresses) -> AddressContext | None:
        from ipi_es.datafeed.bucket_context import context_from

        return None if self.networks is None else context_from(self.networks, addresses)

    def predict(self, rows: Sequence[Row], *, verbose: bool) -> list[Prediction | None]:
        """Predict as SageMaker's interface does; None for a malformed row. ``verbose``: with the embeddings."""
        from ipi_es.ipinsights.entity_hashing import entity_hashes
        from ipi_es.ipinsights.sagemaker.embeddings import embeddings

        good = _Pairs.of(rows, self.spell, self.translators)
        if good is None:
            return [None] * len(rows)
        found = iter(self._dot_products(good).tolist())
        if not verbose:
            return [None if row.error else Prediction(next(found)) for row in rows]
        entity, ip = embeddings(self.snapshot.network, entity_hashes(good.entities), good.addresses)
        vectors = zip(entity[good.entity].tolist(), ip[good.ip].tolist(), strict=True)
        return [None if row.error else Prediction(next(found), *next(vectors)) for row in rows]

    def _dot_products(self, pairs: _Pairs) -> NDArray[np.float64]:
        from ipi_es.ipinsights.entity_hashing import entity_hashes
        from ipi_es.ipinsights.sagemaker.embeddings import dot_products

        hashes = entity_hashes(pairs.entities)
        return dot_products(self.snapshot.network, hashes, pairs.addresses, pairs.entity, pairs.ip)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The well-formed rows of a block: distinct entities and addresses, and int32[n] codes of each row."""

    entities: list[str]
    addresses: Addresses
    entity: NDArray[np.int32]
    ip: NDArray[np.int32]

    @classmethod
    def of(cls, rows: Sequence[Row], spell: Callable[[str], str], translators: tuple[Embedding, ...]) -> _Pairs | None:
        """Collect the well-formed rows; None where all are malformed."""
        import numpy as np

        from ipi_es.embedded_addresses import unwrapped

        good = [row for row in rows if not row.error]
        if not good:
            return None
        names = [spell(row.entity) for row in good]
        entities = {name: index for index, name in enumerate(dict.fromkeys(names))}
        blobs = [unwrapped(row.address, translators) for row in good]
        packed = {blob: index for index, blob in enumerate(dict.fromkeys(blobs))}
        return cls(
            list(entities),
            np.frombuffer(b"".join(packed), dtype=np.uint8).reshape(-1, 16),
            np.array([entities[name] for name in names], dtype=np.int32),
            np.array([packed[blob] for blob in blobs], dtype=np.int32),
        )
