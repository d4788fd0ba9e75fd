"""`slipway train`: runs a training job on this machine, in Docker here, or on SageMaker."""
