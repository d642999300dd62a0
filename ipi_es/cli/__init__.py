"""The command line. It is imported before NumPy and limits BLAS to one thread: the datafeed runs beside the scoring."""

import os

# Measured: with products this small, two threads take 2.6 times the processor time of one, mostly by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
