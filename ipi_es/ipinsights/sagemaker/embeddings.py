"""Output of SageMaker's IP Insights: log lines, from which metrics are read, and embeddings.

The formats follow its public documentation and the algorithm's metric definitions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.combiner.combiner import DIGITS
from ipi_es.ipinsights.prefixes import prefix_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network.network_fitting import TrainingProgress
    from ipi_es.ipinsights.scorer import TrainedNetwork

HOST = "algo-1"
"""SageMaker's name of a training's first machine; here it is the only one."""


def metric_lines(report: TrainingProgress, hyperparameters: Hyperparameters) -> list[str]:
    """Return the log lines for a progress report of the network's training; epochs count from 0, as in SageMaker.

    The loss is the mean over a pair and its negatives, weight decay included; throughput is in real pairs per second.
    """
    if report.stage != "network" or report.epoch is None or report.epochs is None:
        return []
    examples = 1 + hyperparameters.negatives  # of SageMaker's kinds and ours
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


def prior_shift(hyperparameters: Hyperparameters) -> float:
    """Return what turns the network's log-odds into a `dot_product`: the logarithm of the negatives for each real pair.

    The network is trained with N sampled pairs for each real one, so its log-odds contain -ln N. SageMaker's scale is
    that of as many real pairs as sampled ones: above 0 a pair is more probably real.
    """
    return math.log(hyperparameters.negatives)


def embeddings(
    trained: TrainedNetwork, hashes: NDArray[np.uint64], addresses: Addresses
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (entity float32[n, d + 2], address float32[m, d + 2]) embeddings; their dot product is `dot_product`.

    ``hashes`` uint64[n], ``addresses`` uint8[m, 16]; d = vector_dim. The biases are separate dimensions:
    (v, b, 1) · (w, 1, c) = v · w + b + c. The entity's bias includes :func:`prior_shift`.
    """
    entity, address = _vectors(trained, hashes, addresses)
    one, other = np.ones((len(entity), 1), np.float32), np.ones((len(address), 1), np.float32)
    entity[:, -1] += np.float32(prior_shift(trained.hyperparameters))
    return np.hstack([entity, one]), np.hstack([address[:, :-1], other, address[:, -1:]])


def dot_products(
    trained: TrainedNetwork,
    hashes: NDArray[np.uint64],
    addresses: Addresses,
    entity: NDArray[np.int32],
    ip: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Return float64[n]: the `dot_product` of the pairs (hashes[entity[i]], addresses[ip[i]]), high = usual.

    It is the network's log-odds plus :func:`prior_shift`.
    """
    odds = trained.network.log_odds(*_vectors(trained, hashes, addresses), entity, ip).astype(np.float64)
    result: NDArray[np.float64] = (odds + prior_shift(trained.hyperparameters)).round(DIGITS)
    return result


def _vectors(
    trained: TrainedNetwork, hashes: NDArray[np.uint64], addresses: Addresses
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the network's vectors (entity float32[n, d + 1], address float32[m, d + 1]), each with its bias last."""
    return trained.network.entity_vectors(hashes), trained.network.address_vectors(prefix_keys(addresses))
