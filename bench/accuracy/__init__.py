"""Measures accuracy over training time, for our recipes and for what else a user could train with."""
