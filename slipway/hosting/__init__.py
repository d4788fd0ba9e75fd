"""Endpoints: models, kinds, production variants, rollouts, autoscaling, `Predictor`."""
