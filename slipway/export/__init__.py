"""`slipway export`: makes the graphs of a trained model."""
