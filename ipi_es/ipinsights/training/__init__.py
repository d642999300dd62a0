"""A whole training: time split, network, history, combiner and calibration rows."""
