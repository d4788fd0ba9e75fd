"""Tuning: trials of a search space on this machine, and the table and page of any tuning's trials.

`study` runs trials with Optuna, `sweep` writes a sweep for Weights & Biases; `slipway.tuner` tunes on SageMaker.
"""
