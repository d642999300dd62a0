"""Scoring of blocks of rows with one snapshot and its history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.datafeed.bucket_context import context_from
from ipi_es.embedded_addresses import unwrapped
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.sagemaker.embeddings import dot_products, embeddings
from ipi_es.scoring.calibration import CLASS_NAMES
from ipi_es.scoring.probability import written_probability
from ipi_es.worker.pairs.score_rows import Row, Score
from ipi_es.worker.pairs.score_sagemaker import MediaType, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.embedded_addresses import Embedding
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.networks.network_table import NetworkTable
    from ipi_es.worker.training.job_snapshot import JobSnapshot


@dataclass(frozen=True, slots=True)
class PairScorer:
    """A snapshot with its history that scores rows; immutable, so that several threads may use it."""

    id: str
    """The snapshot's."""
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
        good = _Pairs.of(rows, self.spell, self.translators)
        if good is None:
            return [None] * len(rows)
        # rows in SageMaker's format also get its dot_product
        found = iter(self._scores(good, alone=any(row.sagemaker for row in rows)))
        return [None if row.error else next(found) for row in rows]

    def _scores(self, good: _Pairs, *, alone: bool) -> list[Score]:
        """Score well-formed rows; unless ``alone``, their ``dot_product`` is the compatibility."""
        seen = self.scorer.score(good.entities, good.addresses, good.entity, good.ip, self._context(good.addresses))
        calibration = self.snapshot.references.successes.calibration
        classes = calibration.classes(seen.prior_events[good.entity], self.scorer.history.age)
        ln_p = calibration.ln_probability(seen.log_odds, classes).ln_p
        dots = self._dot_products(good) if alone else seen.log_odds
        columns = (seen.log_odds, written_probability(ln_p), classes, dots)
        scored = zip(*(column.tolist() for column in columns), strict=True)
        return [Score(odds, probability, CLASS_NAMES[class_], dot) for odds, probability, class_, dot in scored]

    def _context(self, addresses: Addresses) -> AddressContext | None:
        return None if self.networks is None else context_from(self.networks, addresses)

    def predict(self, rows: Sequence[Row], accept: MediaType) -> list[Prediction | None]:
        """Predict as SageMaker's interface does what ``accept`` asks for; None for a malformed row."""
        good = _Pairs.of(rows, self.spell, self.translators)
        if good is None:
            return [None] * len(rows)
        dots = self._dot_products(good).tolist()
        vectors: Sequence[tuple[list[float] | None, list[float] | None]] = [(None, None)] * len(dots)
        scores: Sequence[Score | None] = [None] * len(dots)
        if accept.verbose:
            entity, ip = embeddings(self.snapshot.network, entity_hashes(good.entities), good.addresses)
            vectors = list(zip(entity[good.entity].tolist(), ip[good.ip].tolist(), strict=True))
        if accept.probability:
            scores = self._scores(good, alone=False)
        found = (Prediction(dot, *pair, score) for dot, pair, score in zip(dots, vectors, scores, strict=True))
        return [None if row.error else next(found) for row in rows]

    def _dot_products(self, pairs: _Pairs) -> NDArray[np.float64]:
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
