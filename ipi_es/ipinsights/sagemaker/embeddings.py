"""Output of SageMaker's IP Insights: log lines, from which metrics are read, and embeddings.

The formats follow its public documentation and the algorithm's metric definitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.combiner.combiner import DIGITS
from ipi_es.ipinsights.prefixes import prefix_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network.network import Network
    from ipi_es.ipinsights.network.network_fitting import TrainingProgress

HOST = "algo-1"
"""SageMaker's name of a training's first machine; here it is the only one."""


def metric_lines(report: TrainingProgress, hyperparameters: Hyperparameters) -> list[str]:
    """Return the log lines for a progress report of the network's training; epochs count from 0, as in SageMaker.

    The loss is the mean over a pair and its negatives, weight decay included; throughput is in real pairs per second.
    """
    if report.stage != "network" or report.epoch is None or report.epochs is None:
        return []
    # each pair is one example, and so is each of its negatives, of SageMaker's kinds and ours
    examples = 1 + hyperparameters.sampled_addresses + hyperparameters.shuffled_negative_sampling_rate
    epoch = f"host={HOST}, epoch={report.epoch - 1},"
    loss = None if report.loss is None else f"train binary_classification_cross_entropy <loss>={report.loss / examples}"
    if report.discriminator_auc is None:  # within an epoch; its end is reported below
        inside = loss is not None and report.batch != report.batches
        return [f"#quality_metric: {epoch} batch={report.batch} {loss}"] if inside else []
    lines = [] if loss is None else [f"#quality_metric: {epoch} {loss}"]
    lines.append(f"#quality_metric: {epoch} validation discriminator_auc <score>={report.discriminator_auc}")
    lines.append(f"#throughput_metric: host={HOST}, train throughput={report.examples_per_second} records/second")
    done = round(100 * report.epoch / report.epochs)
    lines.append(f"#progress_metric: host={HOST}, completed {done} % of epochs")
    return lines


def embeddings(
    network: Network, hashes: NDArray[np.uint64], addresses: Addresses
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (entity float32[n, d + 2], address float32[m, d + 2]) embeddings; their dot product is the log-odds.

    ``hashes`` uint64[n], ``addresses`` uint8[m, 16]; d = vector_dim. The biases are separate dimensions:
    (v, b, 1) · (w, 1, c) = v · w + b + c.
    """
    entity, address = network.entity_vectors(hashes), network.address_vectors(prefix_keys(addresses))
    one, other = np.ones((len(entity), 1), np.float32), np.ones((len(address), 1), np.float32)
    return np.hstack([entity, one]), np.hstack([address[:, :-1], other, address[:, -1:]])


def dot_products(
    network: Network,
    hashes: NDArray[np.uint64],
    addresses: Addresses,
    entity: NDArray[np.int32],
    ip: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return float64[n]: the network's log-odds of the pairs (hashes[entity[i]], addresses[ip[i]]), high = usual."""
    left, right = network.entity_vectors(hashes), network.address_vectors(prefix_keys(addresses))
    return network.log_odds(left, right, entity, ip).astype(np.float64).round(DIGITS)
