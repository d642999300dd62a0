"""How fast the network is beside a SageMaker-like one in Keras, and what it needs in memory.

    nice -n 0 python benchmarks/network.py

Simulates sign-ins of 100,000 entities (home, office, phone, elsewhere; a quarter of the homes by IPv6 with another
address every day). The network of ipi-es and the reference (`ipi_es.ipinsights.tf.sagemaker_like`: Keras `fit` with
Adam, vectors of 128, one random and one shuffled negative) take turns at the same batch size; figures are medians.

- training: pairs per second of an epoch, negatives and layout included: ipi-es with 1 random and 1 shuffled negative
  per pair, and with the defaults (1 random, 1 near, 4 shuffled); the reference with its own negatives.
- scoring: pairs per second of the default hybrid, from text to log-odds; each pair ten times, and each once. The
  reference's `predict` gets arrays, in batches of 32.
- history: events per second, 2.5 for each (entity, address) of a day (2.6 in the shared sign-in logs); a day's delta is
  made and applied.
- memory: peak of a process that reads the hybrid's snapshot and history, scores, and adds a day to the history.

Other work on the machine slows both sides and leaves the ratios; processor time per pair is printed too. The last line
is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must be set before TensorFlow is imported
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `ipi-es` sets it

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, canonical, from_words
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import mix
from ipi_es.ipinsights.history.deltas import DAY, DayDelta
from ipi_es.ipinsights.network.network_fitting import TrainingProgress, fit_network
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.storage import history_from_bytes, history_to_bytes, snapshot_from_bytes, snapshot_to_bytes
from ipi_es.ipinsights.training.training import train
from ipi_es.ipinsights.training.training_events import TrainingEvents

ENTITIES, DAYS, ROWS_A_DAY = 100_000, 10, 64_000
FIRST_DAY = 20_000
KERAS_EVENTS = 200_000
"""Pairs in a turn of the reference."""
PREDICTED = 16_384
EQUAL = {"shuffled_negative_sampling_rate": 1, "random_negative_sampling_rate": 1, "hard_negative_sampling_rate": 0}

Day = tuple[NDArray[np.int32], Addresses]


def number(value: int) -> np.uint64:
    """Return the number as uint64, for arithmetic with uint64 arrays."""
    return np.uint64(value)


def day(at: int, rows: int, rng: np.random.Generator) -> Day:
    """Draw a day's sign-ins: entity int32[n] and address uint8[n, 16]. An entity keeps its places over the days."""
    entity = rng.integers(0, ENTITIES, rows)
    who, kind = entity.astype(np.uint64), rng.random(rows)
    provider = mix(who % number(2_000) + number(7))
    home = ((provider % number(200) + number(1)) << number(24)) | (mix(who) & number(0xFFFFFF))
    office = number(203 << 24) | (mix(who % number(300)) & number(0xFFFFFF))
    cell = mix(who % number(20) + number(3)) & number(0xFF)
    telephone = number(100 << 24) | (cell << number(16)) | rng.integers(0, 1 << 12, rows).astype(np.uint64)
    elsewhere = rng.integers(1 << 24, 223 << 24, rows).astype(np.uint64)
    v4 = np.select([kind < 0.5, kind < 0.8, kind < 0.97], [home, office, telephone], elsewhere)
    six = (kind < 0.5) & (entity % 4 == 0)
    network = number(0x2001 << 48) | ((provider & number(0xFFFF)) << number(32)) | (mix(who) & number(0xFFFF00))
    low = np.where(six, mix(who + number(at << 40)), number(0xFFFF << 32) | v4)
    return entity.astype(np.int32), from_words(np.where(six, network, number(0)), low)


def company(rng: np.random.Generator) -> TrainingEvents:
    """Return the sign-ins of all days, each with count 1."""
    parts = [day(at, ROWS_A_DAY, rng) for at in range(DAYS)]
    addresses = np.concatenate([part[1] for part in parts])
    _, first, ip = np.unique(addresses.view("V16").ravel(), return_index=True, return_inverse=True)
    rows = len(addresses)
    every = np.ones(rows, dtype=np.bool_)
    return TrainingEvents(
        time=np.repeat(FIRST_DAY + np.arange(DAYS), ROWS_A_DAY) * DAY,
        entities=[f"user{one:06d}@example.com" for one in range(ENTITIES)],
        entity=np.concatenate([part[0] for part in parts]),
        addresses=addresses[first],
        ip=ip.astype(np.int32),
        count=np.ones(rows, dtype=np.int64),
        learns=every,
        calibrates=every,
    )


def training(events: TrainingEvents, batch: int, turns: int) -> dict[str, float]:
    """Return pairs per second of the reference, and of ipi-es with equal negatives and with the defaults."""
    from ipi_es.ipinsights.tf.sagemaker_like import SageMakerLike

    reference = SageMakerLike(ENTITIES, rng=np.random.default_rng(0))
    some = slice(0, KERAS_EVENTS)
    entity, addresses = events.entity[some], events.addresses[events.ip[some]]
    reference.fit(entity[: 4 * batch], addresses[: 4 * batch], epochs=1, batch=batch)
    speeds: dict[str, list[float]] = {"reference": [], "equal": [], "default": []}
    for turn in range(turns):
        began = time.perf_counter()
        reference.fit(entity, addresses, epochs=1, batch=batch)
        speeds["reference"].append(KERAS_EVENTS / (time.perf_counter() - began))
        speeds["equal"].append(ours(events, Hyperparameters(epochs=3, mini_batch_size=batch, **EQUAL)))
        speeds["default"].append(ours(events, Hyperparameters(epochs=3, mini_batch_size=batch)))
        told = ", ".join(f"{name} {found[-1]:,.0f}" for name, found in speeds.items())
        say(f"training, turn {turn + 1}, batches of {batch:,}: {told} pairs/s")
    return {name: median(found) for name, found in speeds.items()}


def ours(events: TrainingEvents, hyperparameters: Hyperparameters) -> float:
    """Return pairs per second of training, without the first epoch, in which the loop is compiled."""
    hashes, rng = entity_hashes(events.entities), np.random.default_rng(0)
    pairs = TrainingPairs.of_days(events, hashes, FIRST_DAY, FIRST_DAY + DAYS)
    speeds: list[float] = []

    def told(report: TrainingProgress) -> None:
        if report.discriminator_auc is not None and report.examples_per_second is not None:
            speeds.append(report.examples_per_second)

    source = pairs.source(hyperparameters.max_rows_per_entity, rng)
    fit_network(source, pairs.take(np.arange(1_000)), hyperparameters, rng=rng, report=told)
    return float(np.mean(speeds[1:]))


def texts(rows: int, repeats: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Draw ``rows`` pairs as text, each distinct one ``repeats`` times, in random order."""
    entity, addresses = day(DAYS, round(rows / repeats * 1.5), rng)
    keys = np.concatenate(
        [addresses.view(">u8").reshape(-1, 2).astype(np.uint64), entity[:, None].astype(np.uint64)], 1
    )
    _, first = np.unique(keys, axis=0, return_index=True)
    chosen = rng.permutation(np.repeat(rng.permutation(first)[: rows // repeats], repeats))
    names = [f"user{one:06d}@example.com" for one in entity[chosen].tolist()]
    return names, [canonical(bytes(one)) for one in addresses[chosen]]


def scoring(scorer: Scorer, pairs: int, turns: int) -> dict[str, float]:
    """Return pairs per second of scoring, and of the reference's `predict` in batches of 32."""
    from ipi_es.ipinsights.tf.sagemaker_like import SageMakerLike

    rng = np.random.default_rng(1)
    repeating, unique = texts(pairs, 10, rng), texts(pairs, 1, rng)
    reference = SageMakerLike(ENTITIES, rng=rng)
    entity, addresses = day(DAYS, PREDICTED, rng)
    reference.log_odds(entity[:64], addresses[:64], batch=32)
    speeds: dict[str, list[float]] = {"repeating": [], "unique": [], "predict": []}
    for turn in range(turns):
        for name, (names, ips) in (("repeating", repeating), ("unique", unique)):
            began, worked = time.perf_counter(), time.process_time()
            found = scorer.score_pairs(names, ips)
            speeds[name].append(len(found) / (time.perf_counter() - began))
            say(f"  {name}: {1e6 * (time.process_time() - worked) / len(found):.2f} µs of a processor a pair")
            assert np.isfinite(found).all()
        began = time.perf_counter()
        reference.log_odds(entity, addresses, batch=32)
        speeds["predict"].append(PREDICTED / (time.perf_counter() - began))
        say(f"scoring, turn {turn + 1}: " + ", ".join(f"{name} {all_[-1]:,.0f}" for name, all_ in speeds.items()))
    return {name: median(found) for name, found in speeds.items()}


def moving(scorer: Scorer, events_a_day: int, turns: int) -> float:
    """Return events per second that are added to the history."""
    rng, hashes = np.random.default_rng(2), entity_hashes([f"user{one:06d}@example.com" for one in range(ENTITIES)])
    history, speeds = scorer.history, []
    for turn in range(turns + 2):  # two unmeasured days first, which touch new memory of the tables
        entity, where = day(DAYS + turn, events_a_day, rng)
        whom, count = hashes[entity], np.ones(events_a_day, dtype=np.int64)
        began, worked = time.perf_counter(), time.process_time()
        delta = DayDelta.of(history.day, whom, where, count)
        history.apply(delta)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        if turn >= 2:
            say(f"  history: {1e6 * worked / events_a_day:.2f} µs of a processor an event")
            speeds.append(events_a_day / seconds)
            say(f"history, turn {turn - 1}: {speeds[-1]:,.0f} events/s, {len(delta) / seconds:,.0f} rows/s")
    return median(speeds)


def peak_of_scoring(folder: Path) -> float:
    """Return the peak memory, MiB, of a process without TensorFlow that scores with the files in ``folder``."""
    command = [sys.executable, __file__, "--peak", str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def score_and_tell_peak(folder: Path) -> None:
    """Score and print the peak memory, MiB; runs in the child process."""
    snapshot = snapshot_from_bytes((folder / "snapshot").read_bytes())
    scorer = Scorer(snapshot, history_from_bytes((folder / "history").read_bytes()))
    scorer.score_pairs(*texts(100_000, 1, np.random.default_rng(3)))
    moving(scorer, 200_000, 1)
    # not getrusage, which includes the parent's memory at the fork
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024)


def say(text: str) -> None:
    """Print to stderr and flush."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run all measurements and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4_096, help="pairs a step, of both")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=1_000_000, help="pairs that are scored")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        score_and_tell_peak(given.peak)
        return
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    events = company(np.random.default_rng(0))
    speeds = training(events, given.batch, given.turns)
    trained = train(events, Hyperparameters(epochs=2, mini_batch_size=given.batch))
    scorer = Scorer(replace(trained.snapshot), trained.history)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "snapshot").write_bytes(snapshot_to_bytes(trained.snapshot))
        (Path(folder) / "history").write_bytes(history_to_bytes(trained.history))
        peak = peak_of_scoring(Path(folder))
    scored = scoring(scorer, given.pairs, given.turns)
    moved = moving(scorer, 1_000_000, given.turns)
    say(f"load {os.getloadavg()[0]:.1f}")
    figures = {
        "train_ratio_equal": round(speeds["equal"] / speeds["reference"], 2),
        "train_ratio_default": round(speeds["default"] / speeds["reference"], 2),
        "score_pairs_per_second_repeating": round(scored["repeating"]),
        "score_pairs_per_second_unique": round(scored["unique"]),
        "predict_ratio": round(scored["unique"] / scored["predict"], 1),
        "history_events_per_second": round(moved),
        "peak_mib": round(peak),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
