"""`slipway deploy`: deploys a model to a SageMaker endpoint, or serves it in Docker on this machine."""
