"""Endpoints: kinds, production variants, rollouts, autoscaling, and waiting for them."""
