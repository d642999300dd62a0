"""From a compatibility (high = usual) to a score of 0–100 (high = unusual): NumPy only, no IO, no clock.

    compatibility ─calibration─> ln p ─probability─> raw score s ─normalizer─> score
                      │            └─aggregate (combine: joint, extreme)─> influencers, bucket ─┘
                    tail                                          quantiles: the job's history ─┘

``shares`` checks probabilities on data that nothing was fitted to; ``renormalizer`` scores stored results again.
Probabilities are natural logarithms throughout, arrays in and out; a probability is never invented, and every number on
the way to a score is kept, so that the score can be taken apart again.
"""
