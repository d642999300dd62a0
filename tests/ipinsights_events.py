"""A tiny company for the tests of the network: most people have a home and an office, some move about."""

from __future__ import annotations

import numpy as np

from ipi_es.addresses import parse
from ipi_es.ipinsights.training.training_events import TrainingEvents

FIRST_DAY = 20_000


def small_company(seed: int, *, people: int = 120, days: int = 12, a_day: int = 150) -> TrainingEvents:
    """About ``days * a_day`` rows of hourly buckets; half the homes have IPv6 with an address that changes daily."""
    rng = np.random.default_rng(seed)
    texts: list[str] = [f"203.0.113.{i}" for i in range(1, 5)]
    time, entity, ip = [], [], []
    homes = rng.integers(1, 224, (people, 3))
    for day in range(days):
        order = np.sort(rng.integers(0, 24, a_day))
        for hour in order:
            who = int(rng.integers(0, people))
            if rng.random() < 0.5:
                at = who % 4
            elif who % 2:
                a, b, c = homes[who]
                at = len(texts)
                texts.append(f"{a}.{b}.{c}.{20 + (day // 5)}")
            else:
                at = len(texts)
                texts.append(
                    f"2001:db8:{homes[who][0]:x}:{who:x}:{rng.integers(1, 65536):x}::{rng.integers(1, 65536):x}"
                )
            time.append((FIRST_DAY + day) * 86_400 + int(hour) * 3_600)
            entity.append(who)
            ip.append(at)
    unique, index = np.unique(np.array(texts), return_inverse=True)
    addresses, valid = parse(list(unique))
    assert valid.all()
    rows = np.unique(np.stack([time, entity, index[ip]], axis=1), axis=0)
    return TrainingEvents(
        time=rows[:, 0],
        entities=[f"user{i}" for i in range(people)],
        entity=rows[:, 1].astype(np.int32),
        addresses=addresses,
        ip=rows[:, 2].astype(np.int32),
        count=np.ones(len(rows), dtype=np.int64),
        learns=np.ones(len(rows), dtype=np.bool_),
        calibrates=np.ones(len(rows), dtype=np.bool_),
    )
