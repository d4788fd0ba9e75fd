"""`slipway tune`: searches hyperparameters on this machine, on SageMaker, or as a Weights & Biases sweep."""
