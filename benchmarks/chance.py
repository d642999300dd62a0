"""What chance alone scores: simulated normal companies, through calibration, combination and normalizer.

    python benchmarks/chance.py [--buckets 20000] [--seed 1] [--rho 0.4]

Everything is normal here, so every unusual result is one by chance. Printed are the share of pairs and influencers
with p ≤ α, and the share of buckets with a score of at least 25, 50 and 75, beside the promised shares (one in 74, 380
and 1,949). Entities behind one address are correlated, with a correlation ρ₂ of z². The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.combine import ENTITY_OR_IP, OVER_MEMBERS, Combined, combine
from ipi_es.scoring.joint import group_correlation
from ipi_es.scoring.normalizer import normalize, probability_cap
from ipi_es.scoring.quantiles import Quantiles
from ipi_es.scoring.references import Correlations

if TYPE_CHECKING:
    from collections.abc import Iterator

F64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

PAIRS = 452
"""Unique pairs per hour of the simulated company."""
OFFICES = (60, 25, 10, 5, 5)
"""Entities of each shared address in a bucket; every other pair has an address of its own."""
ENTITIES = 420
"""Accounts; 32 pairs of a bucket are second addresses of accounts."""
ALPHAS = (0.1, 0.01, 0.001)
PROMISED = {25: 1 / 74, 50: 1 / 380, 75: 1 / 1949}
"""Score → promised share of buckets that reach it by chance: the p at which the cap by probability has this value."""
BATCH = 200
"""Buckets combined in one call."""
CALIBRATION_BUCKETS = 100


@dataclass
class Chance:
    """Counts over the simulated buckets."""

    buckets: int = 0
    pairs: int = 0
    pairs_at: dict[float, int] = field(default_factory=lambda: dict.fromkeys(ALPHAS, 0))
    ips: int = 0
    ips_at: dict[float, int] = field(default_factory=lambda: dict.fromkeys(ALPHAS, 0))
    offices: int = 0
    offices_at: dict[float, int] = field(default_factory=lambda: dict.fromkeys(ALPHAS, 0))
    time_above: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PROMISED, 0))
    ip_above: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PROMISED, 0))
    any_above: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PROMISED, 0))
    scored_above: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PROMISED, 0))
    correlations: Correlations = field(default_factory=Correlations)

    def count(self, into: dict[float, int], ln_p: F64) -> None:
        """Add the number of p ≤ α for every α; ``ln_p`` float64[n]."""
        for alpha in into:
            into[alpha] += int((ln_p <= np.log(alpha)).sum())


def normal_buckets(buckets: int, rho: float, rng: np.random.Generator) -> tuple[F64, Codes, Codes]:
    """Draw normal pairs: compatibilities, float64[n], and (bucket, entity) and (bucket, IP) codes, int64[n]."""
    ips = np.concatenate([np.repeat(np.arange(len(OFFICES)), OFFICES), len(OFFICES) + np.arange(PAIRS - sum(OFFICES))])
    entities = np.arange(PAIRS) % ENTITIES
    ip = (np.arange(buckets)[:, None] * PAIRS + ips).ravel()
    entity = (np.arange(buckets)[:, None] * PAIRS + entities).ravel()
    # The squares of two normals with correlation r have correlation r².
    r = np.sqrt(rho)
    common = rng.standard_normal(buckets * PAIRS)[ip]
    x = np.sqrt(r) * common + np.sqrt(1 - r) * rng.standard_normal(len(ip))
    # Two-sided: the farther x is from 0, the more unusual. The logit resembles a network's log-odds.
    p = 2 * special.ndtr(-np.abs(x))
    return special.logit(p), entity, ip


def simulate(buckets: int, rho: float, seed: int) -> Chance:
    """Calibrate on one part of a normal company's time, then score ``buckets`` buckets of another part."""
    rng = np.random.default_rng(seed)
    sample, entity, ip = normal_buckets(CALIBRATION_BUCKETS, rho, rng)
    classes = rng.integers(0, 5, len(sample))
    calibration = Calibration.fit(sample, classes)
    ln_sample = calibration.ln_probability(sample, classes).ln_p
    chance = Chance(correlations=Correlations(group_correlation(ln_sample, entity), group_correlation(ln_sample, ip)))
    history = [Quantiles.empty(), Quantiles.empty()]
    for done in range(0, buckets, BATCH):
        count = min(BATCH, buckets - done)
        for ln_p, s in _batch(chance, calibration, count, rho, rng):
            scores = []
            for level in (0, 1):
                history[level] = history[level].aged(3600).added(s[level : level + 1])
                scores.append(normalize(s[level : level + 1], ln_p[level : level + 1], history[level]).score[0])
            for threshold in PROMISED:
                chance.scored_above[threshold] += bool(max(scores) >= threshold)
    return chance


def _batch(
    chance: Chance, calibration: Calibration, buckets: int, rho: float, rng: np.random.Generator
) -> Iterator[tuple[F64, F64]]:
    """Score a batch; yield each bucket's ln p and s over entities and over IPs (float64[2] each)."""
    compatibility, entity, ip = normal_buckets(buckets, rho, rng)
    ln_p = calibration.ln_probability(compatibility, rng.integers(0, 5, len(compatibility))).ln_p
    most, groups = calibration.total // 10, buckets * PAIRS
    same = chance.correlations
    entities = combine(ln_p, entity, groups, ENTITY_OR_IP, correlation=same.same_entity, max_joint=most)
    ips = combine(ln_p, ip, groups, ENTITY_OR_IP, correlation=same.same_ip, max_joint=most)
    wholes = [_over_members(groups_, buckets) for groups_ in (entities, ips)]

    chance.buckets += buckets
    chance.pairs += len(ln_p)
    chance.count(chance.pairs_at, ln_p)
    chance.ips += int((ips.count > 0).sum())
    chance.count(chance.ips_at, ips.ln_p[ips.count > 0])
    chance.offices += int((ips.count > 1).sum())
    chance.count(chance.offices_at, ips.ln_p[ips.count > 1])
    for threshold in PROMISED:
        above = [(probability_cap(whole.ln_p) >= threshold) & (whole.s > 0) for whole in wholes]
        chance.time_above[threshold] += int(above[0].sum())
        chance.ip_above[threshold] += int(above[1].sum())
        chance.any_above[threshold] += int((above[0] | above[1]).sum())
    for i in range(buckets):
        yield np.array([w.ln_p[i] for w in wholes]), np.array([w.s[i] for w in wholes])


def _over_members(groups: Combined, buckets: int) -> Combined:
    present = np.flatnonzero(groups.count > 0)
    return combine(groups.ln_p[present], present // PAIRS, buckets, OVER_MEMBERS, correlation=0.0, max_joint=0)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buckets", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rho", type=float, default=0.4, help="correlation of z² behind one address")
    given = parser.parse_args()
    chance = simulate(given.buckets, given.rho, given.seed)
    same = chance.correlations
    ip, entity = (", ".join(f"{rho:.3f}" for rho in each) for each in (same.same_ip, same.same_entity))
    print(f"{chance.buckets:,} buckets of {PAIRS} pairs; ρ₂ (each view) same IP {ip}, entity {entity}\n")
    print(f"{'share with p ≤':28}" + "".join(f"{alpha:>10}" for alpha in ALPHAS))
    for name, n, at in (
        ("pairs", chance.pairs, chance.pairs_at),
        ("IP influencers", chance.ips, chance.ips_at),
        ("… of several entities", chance.offices, chance.offices_at),
    ):
        print(f"{name:28}" + "".join(f"{at[alpha] / n:10.5f}" for alpha in ALPHAS))
    print(f"\n{'one bucket in … scores':28}" + "".join(f"{'≥ ' + str(t):>10}" for t in PROMISED))
    print(f"{'promised':28}" + "".join(f"{1 / share:10.0f}" for share in PROMISED.values()))
    rows = {
        "bucket_time, by its p": chance.time_above,
        "IP field, by its p": chance.ip_above,
        "either, by its p": chance.any_above,
        "the bucket's anomaly_score": chance.scored_above,
    }
    for name, above in rows.items():
        print(f"{name:28}" + "".join(f"{chance.buckets / above[t] if above[t] else np.inf:10.0f}" for t in PROMISED))
    print(json.dumps({"buckets": chance.buckets, **rows}, ensure_ascii=False))


if __name__ == "__main__":
    main()
