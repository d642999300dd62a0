"""The only place that imports TensorFlow; nothing outside imports it before a training begins."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without_greetings() -> Iterator[None]:
    """Keep native code from writing to stderr: at its import TensorFlow tells every user of his processor and drivers.

    Errors still come as exceptions. Where stderr is no real file (in some test runners), nothing is changed.
    """
    try:
        stderr = sys.__stderr__.fileno() if sys.__stderr__ else -1
        kept = os.dup(stderr)
    except (OSError, ValueError):
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  (its descriptor is what is wanted)
            os.dup2(nowhere.fileno(), stderr)
        yield
    finally:
        os.dup2(kept, stderr)
        os.close(kept)


# read at the import, for what the native code says later
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _without_greetings():
    import tensorflow as tf

    # the first operation looks for accelerators, and tells of that too
    tf.constant(0.0)

# several trainings in one process are several compilations, and meant to be
tf.get_logger().setLevel("ERROR")
