"""`slipway endpoints`: lists the endpoints on SageMaker."""
