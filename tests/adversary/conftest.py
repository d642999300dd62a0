"""The company is trained once for all of these tests."""

from __future__ import annotations

import pytest

from adversary.company import Company


@pytest.fixture(scope="session")
def company() -> Company:
    """A company of 200 people, and what was learned of it."""
    return Company.trained()
