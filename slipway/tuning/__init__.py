"""Tuning on this machine, and the table and page of trials that ran anywhere.

`study` runs trials with Optuna, `sweep` writes a Weights & Biases sweep; `slipway.tuner` tunes on SageMaker.
"""
