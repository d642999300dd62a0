"""The only package that imports TensorFlow; other modules import it only when a training begins."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ipi_es.extras import TRAIN, require

require("training", TRAIN)


@contextmanager
def _without_greetings() -> Iterator[None]:
    """Keep native code from writing to stderr: TensorFlow logs processor and driver details when it is imported.

    Errors are still raised as exceptions. Where stderr is no real file (in some test runners), nothing is changed.
    """
    try:
        stderr = sys.__stderr__.fileno() if sys.__stderr__ else -1
        kept = os.dup(stderr)
    except (OSError, ValueError):
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  (only its descriptor is needed)
            os.dup2(nowhere.fileno(), stderr)
        yield
    finally:
        os.dup2(kept, stderr)
        os.close(kept)


# TensorFlow reads this when it is imported; it controls later messages of the native code
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _without_greetings():
    import tensorflow as tf

    # the first operation looks for accelerators and logs that too
    tf.constant(0.0)

# several trainings in one process compile several times; that is intended, so no warnings
tf.get_logger().setLevel("ERROR")
