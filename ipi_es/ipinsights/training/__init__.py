"""Complete training: time split, network, history, combiner and calibration rows."""
