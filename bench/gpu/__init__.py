"""Measurements and tests that need a GPU, in nine minutes: see `bench/gpu.sh --help`."""
