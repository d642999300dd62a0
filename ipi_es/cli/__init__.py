"""The command line; imported before NumPy, whose BLAS then takes one thread: the datafeed works beside the scoring."""

import os

# Two threads over products as small as ours took 2.6 times the processor time of one (measured), and spin meanwhile.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
