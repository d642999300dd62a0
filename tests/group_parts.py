"""What results must say of groups, wherever the groups come from."""

from __future__ import annotations

from typing import Any

import worker_company as company
import worker_parts as parts

from ipi_es.config.files.entity_groups import GROUPS_FIELD


def require_groups(found: dict[tuple[str, str], dict[str, Any]], *groups: str) -> None:
    """Assert that the victim's results have these groups, nobody else's have any, and a rule allowed the nomads."""
    for kind, name in (("record", "partition_field_value"), ("influencer", "influencer_field_value")):
        victims = [each for each in parts.of_kind(found, kind) if each[name] == company.VICTIM]
        assert victims
        for each in victims:
            assert each[GROUPS_FIELD] == list(groups)
            assert f"{company.VICTIM} is in the groups {', '.join(groups)}." in each["reason"]
    nomads = [each for each in parts.of_kind(found, "record") if each["partition_field_value"] in company.NOMADS]
    assert nomads
    assert {each["suppressed_by"] for each in nomads} == {"group:nomads"}
    others = [each for each in parts.of_kind(found, "influencer") if each["influencer_field_value"] == company.SPRAYER]
    assert others
    assert not any(GROUPS_FIELD in each for each in [*others, *parts.of_kind(found, "bucket")])
