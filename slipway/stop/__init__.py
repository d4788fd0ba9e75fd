"""`slipway stop`: stops a job on SageMaker."""
