"""Checks before anything is created, so that a mistake costs seconds instead of an instance's start."""
