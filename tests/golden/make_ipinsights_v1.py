"""How the golden files of the network's version 1 were made; run once, kept to be read. Not run by any test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ipinsights_events import FIRST_DAY, small_company
from ipinsights_parts import a_snapshot, day_deltas

from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.storage import delta_to_bytes, history_to_bytes, snapshot_to_bytes
from ipi_es.ipinsights.trained_network import pack


def main() -> None:
    """Write the four files beside this one."""
    here = Path(__file__).parent
    events = small_company(seed=1, people=30, days=6, a_day=40)
    *before, last = day_deltas(events)
    history = History.empty(FIRST_DAY, pair_keys=1_000, network_keys=1_000)
    for delta in before:
        history.apply(delta)
    snapshot = a_snapshot(1, events, dim=4)
    (here / "ipinsights_snapshot_v1.bin").write_bytes(snapshot_to_bytes(snapshot))
    (here / "ipinsights_history_v1.bin").write_bytes(history_to_bytes(history))
    (here / "ipinsights_delta_v1.bin").write_bytes(delta_to_bytes(last))
    history.apply(last)
    names = [f"user{i}" for i in range(30)] + ["nobody"]
    entity = np.append(events.entity, 30).astype(np.int32)
    ip = np.append(events.ip, 0).astype(np.int32)
    result = Scorer(snapshot, history).score(names, events.addresses, entity, ip)
    arrays = {
        "address": events.addresses,
        "entity": entity,
        "ip": ip,
        "log_odds": result.log_odds,
        "prior_events": result.prior_events,
    }
    (here / "ipinsights_scores_v1.bin").write_bytes(pack({"kind": "scores"}, arrays))


if __name__ == "__main__":
    main()
