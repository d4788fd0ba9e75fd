"""`slipway serve`: runs the serving image's supervisor on a model."""
