"""Prepare result indices before the first document is written to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.cluster.template_conflict import require_ours, require_template, shipped, shortfall
from ipi_es.errors import ClusterError, ClusterReadOnly, PermissionDenied, RequestRejected, UsageError
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.index_mapping import conflict, flat_mapping, index_for, missing_fields, month_end, month_of
from ipi_es.results.words import ALIAS, TEMPLATE
from ipi_es.times import from_ms, to_ms


class ResultIndices:
    """The indices that one job writes to; each is checked once."""

    def __init__(self, cluster: Cluster, job_id: str, name: str | None, flat_fields: Mapping[str, str]) -> None:
        """Take the job's ``results_index_name`` as ``name``; ``flat_fields`` is ``{field: type}`` of its results."""
        self._cluster, self._job_id, self._name = cluster, job_id, name
        self._flat_fields = dict(flat_fields)
        self._prepared: set[str] = set()

    def prepare(self, documents: Iterable[ResultDocument]) -> None:
        """Ensure that the indices of these documents exist, with the fields that the job adds."""
        times = {each.index: from_ms(each.source["timestamp"]) for each in documents}
        for index in sorted(times.keys() - self._prepared):
            if index == index_for(times[index], self._name):
                self._one(index, times[index])
            self._prepared.add(index)

    def write_blocks(self, indices: Iterable[str]) -> dict[str, str]:
        """Return ``{index: setting}`` of write-blocked indices; empty where the settings may not be read."""
        names = sorted(set(indices))
        try:
            return self._cluster.admin.write_blocks(",".join(names)) if names else {}
        except PermissionDenied:
            return {}

    def write_block(self, time: int) -> ClusterReadOnly | None:
        """Return the error if results at ``time``, epoch seconds, can't be written; None if no write block is known."""
        index = index_for(time, self._name)
        setting = self.write_blocks([index]).get(index)
        return None if setting is None else ClusterReadOnly(f"{index} may not be written to ({setting})")

    def writable(self, documents: Sequence[ResultDocument], now: int) -> list[ResultDocument]:
        """Move documents of write-blocked older months to the index of ``now``, epoch seconds; return all documents.

        For annotations: they are found by their time, in whichever index they are.
        """
        current = index_for(now, self._name)
        blocked = self.write_blocks(each.index for each in documents if each.index < current)
        if blocked and current not in self._prepared:
            self._one(current, now)
            self._prepared.add(current)
        return [replace(each, index=current) if each.index in blocked else each for each in documents]

    def gone(self, indices: Iterable[str]) -> None:
        """Forget indices that were deleted."""
        self._prepared -= set(indices)

    def _one(self, index: str, time: int) -> None:
        """Create an index where it is missing, and add the job's own fields to its mapping."""
        mappings = flat_mapping(self._flat_fields)
        existing = self._cluster.get_mapping(index).get(index)
        if existing is None:
            require_template(self._cluster, TEMPLATE, "results can't be searched")
            require_ours(self._cluster, index, TEMPLATE)
            body: dict[str, Any] = {"mappings": mappings} if mappings else {}
            if self._cluster.info.distribution == "elasticsearch":
                # so that an index's age counts from the month's end; OpenSearch refuses every lifecycle setting
                body["settings"] = {"index.lifecycle.origination_date": to_ms(month_end(time))}
            made = self._cluster.create_index(index, body)
            existing = self._cluster.get_mapping(index).get(index, {})
            self._require_whole(index, existing, made=made)
            if made:
                return
        else:
            self._require_whole(index, existing, made=False)
        for field, kind in self._flat_fields.items():
            reason = conflict(field, kind, existing)
            if reason:
                raise self._field_conflict(index, field, reason)
        if missing_fields(self._flat_fields, existing):
            try:
                self._cluster.put_mapping(index, mappings)
            except RequestRejected as error:
                raise self._field_conflict(index, ", ".join(self._flat_fields), error.message) from error

    def _require_whole(self, index: str, mapping: Mapping[str, Any], *, made: bool) -> None:
        """Raise UsageError unless an index has the alias and the field types by which results are found.

        An index that was created just now, and so is empty, is deleted again.
        """
        effect = {"mappings": mapping, "aliases": {ALIAS: {}} if self._has_alias(index) else {}}
        lacks = shortfall(effect, shipped(TEMPLATE)["template"], strict=False).fatal
        if not lacks:
            return
        text = ", ".join(lacks)
        if not made:
            raise UsageError(
                f"results in index {index} can't be found: {text}",
                hint="`ipi-es setup` adds a missing alias; an index with other types must be deleted, or its documents "
                "moved to a new one (_reindex)",
            )
        with suppress(ClusterError):
            self._cluster.delete_index(index)
        raise UsageError(
            f"index {index} would be made in a way that results in it can't be found: {text}",
            hint="another index template takes it, or ipi-es-results was changed by hand: `ipi-es setup --dry-run` "
            "names it and says what to do",
        )

    def _has_alias(self, index: str) -> bool:
        try:
            return index in self._cluster.indices(ALIAS)
        except PermissionDenied:
            return True  # not known

    def _field_conflict(self, index: str, field: str, reason: str) -> UsageError:
        year, month = month_of(0)
        example = index_for(0, self._job_id).removesuffix(f"-{year:04d}.{month:02d}")
        return UsageError(
            f"the results of job {self._job_id} don't fit into {index}, where another job has a field in the way of "
            f"{field}: {reason}",
            hint=f"give the job an index of its own: `results_index_name: {self._job_id}` (→ {example}-…)",
        )
