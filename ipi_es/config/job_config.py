"""The settings of a job, with Elastic ML's keys; validated and immutable."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias
from zlib import crc32

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from ipi_es.config.alert_config import Alerts
from ipi_es.config.analysis_config import AnalysisConfig, DataDescription, Detector
from ipi_es.config.datafeed_config import DatafeedConfig
from ipi_es.config.entity_names import EntitySource, EntityStep, fields_of, normalize_entity
from ipi_es.config.files.entity_groups import EntityGroups, EntityGroupsSource, read_groups
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.config.rules.allow_rule import AllowRule, check_rules
from ipi_es.config.types import (
    DAY,
    AnyPath,
    Count,
    Inconsistent,
    Number,
    PositiveSpan,
    Section,
    Span,
)
from ipi_es.errors import UsageError
from ipi_es.pseudonyms import Pseudonyms, of_key_file

MAX_JOB_ID = 64
"""Characters of a job_id; Elastic's limit, which also keeps document ids below 512 bytes."""

RENORMALIZATION_DAYS, RENORMALIZATION_BUCKETS = 30, 100
"""The default renormalization window is the longer of these days and buckets, as in Elastic ML."""

LATE_HOURS, LATE_BUCKETS = 2, 8
"""The default window for late events is the longer of these hours and buckets."""

LEAST_DELAY, DELAYS = 60, 61
"""The smallest default query_delay in seconds, and the number of possible ones; the job_id decides which."""

MINUTE, HOUR = 60, 3_600
FREQUENCIES = ((2 * MINUTE, MINUTE), (12 * HOUR, 10 * MINUTE))
"""(longest bucket_span, default frequency), seconds, as in Elastic's datafeeds; from 2m to 20m it is half the span."""
HALF_UP_TO = 20 * MINUTE
"""The longest bucket_span, in seconds, whose default frequency is half of it."""

TAKES_PART = 0.035
"""The largest probability that is recorded, and so the upper limit of hold_probability: holds are read from records."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")


def _elastic_id(text: str) -> str:
    if len(text) > MAX_JOB_ID or not _ID.fullmatch(text):
        raise ValueError(
            f"“{text}” is not allowed: lowercase letters a–z, digits, - and _, beginning and ending with a letter or "
            f"digit, at most {MAX_JOB_ID} characters"
        )
    return text


ElasticId: TypeAlias = Annotated[str, AfterValidator(_elastic_id)]


class Training(Section):
    """What the network and the calibration learn from. Ours."""

    window: PositiveSpan = Field(
        default=90 * DAY, description="How much history before the first scored bucket is taken."
    )
    calibration_share: Number = Field(
        default=0.2,
        ge=0.05,
        le=0.5,
        description="The last part of the window, which is never trained on: probabilities are calibrated with it.",
    )
    min_events: Count = Field(
        default=1_000,
        ge=1,
        description="Fewer unique (bucket, entity, IP) to learn from in the window: `train` refuses to begin.",
    )
    min_history: PositiveSpan = Field(
        default=7 * DAY,
        description="`ipi-es run` trains a new job once its events go back so far; until then it waits, and says so.",
    )
    every: Span = Field(
        default=7 * DAY,
        description="`ipi-es run` trains again so long after the end of what was learned last; 0: never.",
    )


class PseudonymsSource(Section):
    """Pseudonyms in place of entities' names, in all that is written; needs the extra `[pseudonyms]`. Ours."""

    key_file: AnyPath = Field(
        description="File with the key, 128 hexadecimal digits: `openssl rand -hex 64` makes one. It turns pseudonyms "
        "back into names; jobs with the same key have the same pseudonyms. It is read once, at the start."
    )


class Job(Section):
    """One anomaly-detection job."""

    job_id: ElasticId = Field(description="The job's name in results and commands: a–z, 0–9, - and _, at most 64.")
    job_type: Literal["anomaly_detector"] = Field(default="anomaly_detector", description="Kept for Elastic's files.")
    description: str = Field(default="", description="For people.")
    groups: tuple[ElasticId, ...] = Field(default=(), description="Groups that the job belongs to.")
    analysis_config: AnalysisConfig = Field(default_factory=AnalysisConfig, description="How events are analysed.")
    data_description: DataDescription = Field(default_factory=DataDescription, description="Where an event's time is.")
    datafeed_config: DatafeedConfig = Field(description="Where the events come from.")
    results_index_name: ElasticId = Field(
        default="shared", description="Results go to `ipi-es-anomalies-{this}-{yyyy.MM}`, all behind one alias."
    )
    results_retention_days: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="Results older than this are deleted; by default never."
    )
    model_snapshot_retention_days: Count = Field(
        default=10, ge=1, description="Snapshots older than this before the newest are deleted."
    )
    renormalization_window_days: Annotated[Count, Field(ge=0)] | None = Field(
        default=None,
        description="How far back scores are adjusted; by default the larger of 30 days and 100 buckets; 0: never.",
    )
    repeat_window: Span = Field(
        default=DAY,
        description="Ours. A pair seen again within this time of its first record is no new alarm; 0 turns it off.",
    )
    incident_gap: PositiveSpan = Field(
        default=DAY,
        description="Ours. Results of the same account, network or new operator are one incident if at most this time "
        "lies between the starts of their buckets.",
    )
    hold_probability: Number = Field(
        default=0.005,
        ge=0,
        le=TAKES_PART,
        description="Ours. What an entity does from a network where it had an address less probable than this teaches "
        "nothing for `hold_days`, so that no entity becomes usual by its own events; 0 turns it off.",
    )
    hold_days: Count = Field(
        default=7,
        ge=1,
        le=365,
        description="Ours. How long that lasts from the first such record, unless `ipi-es verdict safe` says that "
        "it was the person; then it may teach for as long, and what is still improbable after that is held anew.",
    )
    compromised_days: Count = Field(
        default=30,
        ge=0,
        le=365,
        description="Ours. How long after `ipi-es verdict compromised` other accounts are scored higher where they use "
        "the same address, its network or its hosting operator; 0 turns it off.",
    )
    late_window: Span | None = Field(
        default=None,
        description="Ours. Buckets that end within this time before the newest are scored again when events arrive for "
        "them late; by default the larger of 2h and 8 buckets; 0 turns it off.",
    )
    blind_after: Count = Field(
        default=3,
        ge=0,
        description="Ours. Buckets after which a job that gets no events where some are usual says that it is blind, "
        "and half blind where most of them, or all usable ones, are missing; more where few are usual; 0: never.",
    )
    max_lag: Count = Field(
        default=3, ge=1, description="Ours. So many complete buckets not scored yet: `/readyz` fails."
    )
    max_records_per_bucket: Count = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Ours. At most so many records are written for a bucket; the worst are kept.",
    )
    training: Training = Field(default_factory=Training, description="Ours. What is learned from.")
    ip_insights: Hyperparameters = Field(
        default_factory=Hyperparameters, description="The network's hyperparameters, under SageMaker's names."
    )
    allow_list: tuple[AllowRule, ...] = Field(
        default=(),
        description="Ours. Pairs that are scored and written, but raise no alarm and take part in nothing else.",
    )
    entity_groups: EntityGroupsSource | None = Field(
        default=None,
        description="Ours. Who belongs to which group: results carry the groups of their entity, and rules of "
        "`allow_list` can name one.",
    )
    entity_pseudonyms: PseudonymsSource | None = Field(
        default=None,
        description="Ours. Results and all else that is written have [pseudonyms](personal-data.md#pseudonyms) in "
        "place of entities' names.",
    )
    alerts: Alerts = Field(
        default_factory=Alerts, description="Ours. What is worth an alert, and where the worker itself sends it."
    )

    _folded_fields: frozenset[str] = PrivateAttr(default=frozenset())

    @model_validator(mode="after")
    def _consistent(self) -> Job:
        if self.time_field in (self.ip_field, self.entity_field, *self.entity_source_fields):
            text = f"{self.time_field} is also a field of the detector, or of datafeed_config.entity_fields"
            raise Inconsistent((("data_description", "time_field"), text))
        try:
            groups = self.read_entity_groups()
        except UsageError as error:
            raise Inconsistent((("entity_groups", "file"), f"{error.message}; {error.hint}")) from None
        check_rules(self.allow_list, self.entity_steps, self.datafeed_config.translators, groups)
        return self

    @property
    def bucket_span(self) -> int:
        """Length of a bucket in seconds."""
        return self.analysis_config.bucket_span

    @property
    def detector(self) -> Detector:
        """The only detector."""
        return self.analysis_config.detectors[0]

    @property
    def ip_field(self) -> str:
        """The field with the IP address (`by_field_name`)."""
        return self.detector.by_field_name

    @property
    def entity_field(self) -> str:
        """The field with the entity (`partition_field_name`)."""
        return self.detector.partition_field_name

    @property
    def entity_sources(self) -> tuple[EntitySource, ...]:
        """Where an entity's name comes from, in order of preference; by default `partition_field_name` alone."""
        return tuple(map(EntitySource.parse, self.datafeed_config.entity_fields or (self.entity_field,)))

    @property
    def other_entity_sources(self) -> tuple[str, ...]:
        """The entity sources as text; empty where they are `partition_field_name` alone."""
        texts = tuple(source.text for source in self.entity_sources)
        return () if texts == (self.entity_field,) else texts

    @property
    def entity_source_fields(self) -> tuple[str, ...]:
        """The fields of all entity sources, each once."""
        return fields_of(self.entity_sources)

    @property
    def entity_steps(self) -> tuple[EntityStep, ...]:
        """How an entity's name is normalized that people write: by `entity_normalize`, and as the indices fold it."""
        steps, sources = self.datafeed_config.entity_normalize, self.entity_sources
        plain = all(text == text.lower() for source in sources for text in source.between)
        folded = plain and self._folded_fields.issuperset(self.entity_source_fields)
        return (*steps, "lowercase") if folded and "lowercase" not in steps else steps

    @property
    def fields_that_may_fold(self) -> tuple[str, ...]:
        """The fields of entities and groups whose names would be spelled otherwise if the indices folded them."""
        of_entity = () if "lowercase" in self.datafeed_config.entity_normalize else self.entity_source_fields
        return tuple(dict.fromkeys((*of_entity, *([] if self.group_field is None else [self.group_field]))))

    @property
    def folds_groups(self) -> bool:
        """Whether the indices fold the names of groups to lower case."""
        return self.group_field in self._folded_fields

    def with_folded(self, fields: Collection[str]) -> Job:
        """Return a copy that knows which of :attr:`fields_that_may_fold` the indices fold to lower case."""
        copy = self.model_copy()
        copy._folded_fields = frozenset(fields)  # noqa: SLF001
        return copy

    @property
    def pseudonyms(self) -> Pseudonyms | None:
        """The pseudonyms of entities; None: results have their names."""
        source = self.entity_pseudonyms
        return None if source is None else of_key_file(source.key_file)

    def stored_entity(self, name: str) -> str:
        """Return an entity as results spell it: its name normalized, or its pseudonym, which may be given too.

        Raises UsageError where a name is given, and the key of its pseudonym can't be read.
        """
        name, pseudonyms = normalize_entity(name, self.entity_steps), self.pseudonyms
        return name if pseudonyms is None else pseudonyms.stored(name)

    def plain_entity(self, stored: str) -> str:
        """Return the name of an entity that is spelled as in results. Raises UsageError where that needs a key."""
        return stored if self.pseudonyms is None else self.pseudonyms.names([stored])[0]

    def spellings(self, stored: str) -> frozenset[str]:
        """Return what people may call an entity that is spelled as in results: by its pseudonym, and by its name."""
        return frozenset((stored, self.plain_entity(stored)))

    def matches_entity(self, pattern: str, stored: str) -> bool:
        """Return whether a pattern of names, or a pseudonym, matches an entity that is spelled as in results."""
        pattern = self.plain_entity(normalize_entity(pattern, self.entity_steps))
        return fnmatchcase(self.plain_entity(stored), pattern)

    @property
    def time_field(self) -> str:
        """The date field that orders the events."""
        return self.data_description.time_field

    @property
    def influencers(self) -> tuple[str, ...]:
        """The fields that get influencer results."""
        chosen = self.analysis_config.influencers
        return (self.entity_field, self.ip_field) if chosen is None else chosen

    @property
    def frequency(self) -> int:
        """Seconds between two reads of new events."""
        given, span = self.datafeed_config.frequency, self.bucket_span
        if given is not None:
            return given
        if 2 * MINUTE < span <= HALF_UP_TO:
            return span // 2
        return next((frequency for most, frequency in FREQUENCIES if span <= most), HOUR)

    @property
    def query_delay(self) -> int:
        """Seconds after a bucket's end until it is complete; by default 60 to 120, decided by the job_id."""
        given = self.datafeed_config.query_delay
        return LEAST_DELAY + crc32(self.job_id.encode()) % DELAYS if given is None else given

    def read_entity_groups(self) -> EntityGroups | None:
        """Return the groups of the entities, as their file has them now; None: the job doesn't ask for groups.

        Raises UsageError for a file that can't be read, with the lines that are wrong.
        """
        source = self.entity_groups
        if source is None:
            return None
        groups = EntityGroups() if source.file is None else read_groups(source.file, self.entity_steps)
        return replace(groups, complete=source.field is None, pseudonyms=self.pseudonyms)

    @property
    def group_field(self) -> str | None:
        """The field of the events with the groups of their entity; None: groups come from no field."""
        return None if self.entity_groups is None else self.entity_groups.field

    def late_window_seconds(self) -> int:
        """Return the seconds before the newest bucket's end in which late events are looked for; 0: never."""
        if self.late_window is not None:
            return self.late_window
        return max(LATE_HOURS * HOUR, LATE_BUCKETS * self.bucket_span)

    def renormalization_window(self) -> int:
        """Return how far back scores are adjusted, in seconds; 0: never."""
        if self.renormalization_window_days is not None:
            return self.renormalization_window_days * DAY
        return max(RENORMALIZATION_DAYS * DAY, RENORMALIZATION_BUCKETS * self.bucket_span)

    def warnings(self) -> list[str]:
        """List the settings that are given but have no effect, as texts for people."""
        return self.datafeed_config.warnings()
