"""Import an Elastic ML job (`rare` by an IP field, the entity as partition) as a job of ipi-es.

Settings that ipi-es doesn't have are refused by name, all at once. Those that change no result are left out, with a
warning unless they are Elastic's defaults or written by its server.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.config.analysis_config import AnalysisConfig, Detector
from ipi_es.config.datafeed_config import WITHOUT_EFFECT, DatafeedConfig, IndicesOptions
from ipi_es.config.elastic.elastic_export import ElasticJob, read_export
from ipi_es.config.elastic.elastic_keys import GENERATED, HARMLESS, REFUSED, SILENT
from ipi_es.config.elastic.elastic_rules import NotTranslatable, allow_rules
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.errors import ConfigError
from ipi_es.times import SECONDS, format_span

ELASTIC_BUCKET_SPAN = "5m"
"""Elastic ML's default bucket_span."""

PLACEHOLDER = "INDEX_PATTERN_NAME"
"""Stands for the indices in Kibana's modules."""

_ELASTIC_UNITS = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, **SECONDS}
_ELASTIC_SPAN = re.compile(r"(\d+)\s*(nanos|micros|ms|s|m|h|d|w)")
_IP_FIELD = re.compile(r"(^|[._-])(ip|ipv4|ipv6|addr|address|ip_address|ipaddress)$", re.IGNORECASE)
"""Usual names of fields with addresses; only used to detect that by field and partition field are swapped."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A job as plain values, ready to be written as a file; ``warnings`` name what was left out or interpreted."""

    job: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def import_elastic_job(
    job: Any,
    datafeed: Any = None,
    *,
    filters: Mapping[str, Sequence[str]] | None = None,
    job_id: str | None = None,
    indices: Sequence[str] = (),
    name: str = "the Elastic job",
) -> Imported:
    """Translate an Elastic ML job.

    ``job`` is the API's answer (`{"jobs": […]}`), Kibana's export (`[{"job": …, "datafeed": …}]`), or one job;
    ``datafeed`` likewise, unless ``job`` contains it. ``job_id`` chooses among several jobs, or names one
    without a name; ``indices`` replace the datafeed's. ``filters`` holds, by id,
    the items of the filters that custom rules name. Raises ConfigError with everything that can't be imported.
    """
    found = read_export(job, datafeed, job_id=job_id, name=name)
    if indices and found.datafeed is not None:
        own = {key: value for key, value in found.datafeed.items() if key not in ("indices", "indexes")}
        found = replace(found, datafeed={**own, "indices": list(indices)})
    translation = _Translation(filters or {})
    result = translation.job(found)
    if translation.refused:
        lines = "\n".join(f"  {line}" for line in translation.refused)
        number = len(translation.refused)
        raise ConfigError(
            f"can't be imported, for {number} {'reason' if number == 1 else 'reasons'}\n{lines}",
            place=f"{name} “{found.job.get('job_id', '?')}”",
            hint="change the job in these places, or write one for ipi-es: datafeed_config.indices is enough",
        )
    check_job(result, name=name)
    return Imported(result, translation.warnings)


@dataclass(slots=True)
class _Translation:
    """The translation of one job; refusals and warnings accumulate."""

    filters: Mapping[str, Sequence[str]]
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def job(self, found: ElasticJob) -> dict[str, Any]:
        analysis = found.job.get("analysis_config")
        sections = ("analysis_config", "data_description", "datafeed_config")
        result = self._kept(found.job, "", [name for name in Job.model_fields if name not in sections])
        results_index = result.get("results_index_name")
        if isinstance(results_index, str):
            result["results_index_name"] = results_index.removeprefix("custom-")
        if not isinstance(analysis, dict):
            self.refused.append("analysis_config: is missing")
            return result
        detector = self._detector(analysis)
        result["analysis_config"] = self._analysis(analysis, detector)
        description = found.job.get("data_description") or {}
        kept = self._kept(description, "data_description.", ["time_field"])
        # Elastic's default differs from ours
        result["data_description"] = {"time_field": kept.get("time_field", "time")}
        result["datafeed_config"] = self._datafeed(found.datafeed)
        if rules := self._custom_rules(analysis, detector):
            result["allow_list"] = rules
        return result

    def _kept(self, section: Any, path: str, allowed: Sequence[str]) -> dict[str, Any]:
        """Return the keys that mean the same here; the others are dropped, with or without a warning, or refused."""
        result: dict[str, Any] = {}
        if not isinstance(section, dict):
            self.refused.append(f"{path.removesuffix('.')}: must be a mapping")
            return result
        for key, value in section.items():
            dotted = f"{path}{key}"
            if value is None or value in SILENT.get(dotted, ()) or dotted in GENERATED:
                continue
            if key in allowed:
                result[key] = value
            elif dotted in HARMLESS:
                self.warnings.append(f"{dotted} is left out: {HARMLESS[dotted]}")
            elif dotted in REFUSED:
                self.refused.append(f"{dotted}: ipi-es doesn't have it: {REFUSED[dotted]}")
            elif key not in _NESTED:
                self.refused.append(f"{dotted}: ipi-es doesn't know it")
        return result

    def _analysis(self, analysis: Mapping[str, Any], detector: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in AnalysisConfig.model_fields if name != "detectors"]
        result = self._kept(analysis, "analysis_config.", names)
        span = result.get("bucket_span", ELASTIC_BUCKET_SPAN)
        result["bucket_span"] = self._span("analysis_config.bucket_span", span)
        result["detectors"] = [detector]
        if isinstance(result.get("influencers"), list):
            fields = (detector.get("partition_field_name"), detector.get("by_field_name"))
            others = [str(name) for name in result["influencers"] if name not in fields]
            result["influencers"] = [name for name in result["influencers"] if name in fields]
            if others:
                self.warnings.append(
                    f"analysis_config.influencers: {', '.join(others)} left out: only the entity and the IP address "
                    "get influencer results"
                )
        return result

    def _detector(self, analysis: Mapping[str, Any]) -> dict[str, Any]:
        detectors = _mappings(analysis.get("detectors"))
        if len(detectors) != 1:
            functions = ", ".join(str(detector.get("function")) for detector in detectors) or "none"
            self.refused.append(
                f"analysis_config.detectors: has {len(detectors)} ({functions}); ipi-es takes one, rare"
            )
            return {}
        path = "analysis_config.detectors[0]"
        given = {name: value for name, value in detectors[0].items() if name != "custom_rules"}
        detector = self._kept(given, "analysis_config.detectors.", list(Detector.model_fields))
        if detector.get("function") != "rare":
            self.refused.append(f"{path}.function: is {detector.get('function')}; ipi-es takes rare only")
        if "by_field_name" not in detector:
            self.refused.append(f"{path}.by_field_name: is missing; it must be the field with the IP address")
        if "partition_field_name" not in detector and "over_field_name" not in given:
            self.refused.append(f"{path}.partition_field_name: is missing; it must be the field with the entity")
        self._check_places(path, detector)
        return detector

    def _check_places(self, path: str, detector: Mapping[str, Any]) -> None:
        by, partition = detector.get("by_field_name"), detector.get("partition_field_name")
        if not isinstance(by, str) or not isinstance(partition, str) or _IP_FIELD.search(by):
            return
        if _IP_FIELD.search(partition):
            self.refused.append(
                f"{path}: looks for a rare {by} of each {partition}; ipi-es finds a rare IP address of each entity"
            )
        else:
            self.warnings.append(f"{path}.by_field_name: {by} must hold IP addresses; `ipi-es check` looks at it")

    def _datafeed(self, datafeed: Mapping[str, Any] | None) -> dict[str, Any]:
        if datafeed is None:
            self.refused.append("datafeed_config: is missing; give the datafeed too")
            return {}
        path = "datafeed_config."
        names = [*(name for name in DatafeedConfig.model_fields if name not in WITHOUT_EFFECT), "indexes"]
        result = self._kept(datafeed, path, names)
        if result.get("indices", result.get("indexes")) in (PLACEHOLDER, [PLACEHOLDER]):
            self.refused.append(f"{path}indices: {PLACEHOLDER} stands for your indices: name them with --index")
        for name in ("query_delay", "frequency"):
            if name in result:
                result[name] = self._span(f"{path}{name}", result[name])
        if options := result.get("indices_options"):
            result["indices_options"] = self._kept(
                options, f"{path}indices_options.", list(IndicesOptions.model_fields)
            )
        # our defaults would choose ECS authentication events, and use their outcome
        result.setdefault("query", {"match_all": {}})
        if "outcome_field" not in result:
            result["outcome_field"] = None
            if "event.outcome" not in json.dumps(result["query"]):
                self.warnings.append(
                    "datafeed_config.outcome_field: null, so that every event counts, as in Elastic ML; set it to "
                    "event.outcome if the events have it, so that failed sign-ins don't teach"
                )
        return result

    def _span(self, place: str, value: Any) -> Any:
        """Translate a span; Elastic also gives spans in milliseconds. Part of a second is rounded up."""
        match = _ELASTIC_SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            self.refused.append(f"{place}: “{value}” is not a time span")
            return value
        return format_span(math.ceil(round(int(match[1]) * _ELASTIC_UNITS[match[2]], 9)))

    def _custom_rules(self, analysis: Mapping[str, Any], detector: Mapping[str, Any]) -> list[dict[str, str]]:
        """Translate rules that skip results only by filters into allow rules; others are refused."""
        result: list[dict[str, str]] = []
        fields = detector.get("partition_field_name"), detector.get("by_field_name")
        for given in _mappings(analysis.get("detectors"))[:1]:
            rules = given.get("custom_rules") or []
            for index, rule in enumerate(rules if isinstance(rules, list) else [rules]):
                try:
                    allowed = allow_rules(rule, *fields, self.filters)
                except NotTranslatable as reason:
                    place = f"analysis_config.detectors[0].custom_rules[{index}]"
                    self.refused.append(f"{place}: {reason}; write what should not alarm into allow_list")
                else:
                    result.extend(one for one in allowed if one not in result)
        if result:
            self.warnings.append(
                f"custom_rules became {len(result)} rules of allow_list: such pairs are written, with suppressed_by"
            )
        return result


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_NESTED = ("analysis_config", "data_description", "datafeed_config", "detectors")
"""Keys that are translated separately."""
