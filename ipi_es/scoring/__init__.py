"""From a compatibility (high = usual) to a score of 0–100 (high = unusual): NumPy only, no IO, no clock.

    compatibility ─calibration─> ln p ─probability─> raw score s ─normalizer─> score
                      │            └─aggregate (combine: joint, extreme)─> influencers, bucket ─┘
                    tail                                          quantiles: the job's history ─┘

``shares`` checks probabilities on data not used for fitting; ``renormalizer`` computes new scores of stored results.
Probabilities are natural logarithms throughout, arrays in and out. No probability is made up, and all intermediate
numbers of a score are kept, so that the score can be explained.
"""
