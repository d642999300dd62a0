"""The metrics that SageMaker finds in the log of a training of IP Insights."""

from __future__ import annotations

METRICS = {
    "validation:discriminator_auc": r"#quality_metric: host=\S+, epoch=\S+, validation discriminator_auc <score>=(\S+)",
    "train:binary_classification_cross_entropy:epoch": (
        r"#quality_metric: host=\S+, epoch=\S+, train binary_classification_cross_entropy <loss>=(\S+)"
    ),
    "train:binary_classification_cross_entropy": (
        r"#quality_metric: host=\S+, epoch=\S+, batch=\S+ train binary_classification_cross_entropy <loss>=(\S+)"
    ),
    "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
    "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
}
"""SageMaker's metric definitions: a metric's name, and the regular expression that finds it in a log."""
