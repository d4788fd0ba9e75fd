"""`slipway logs`: shows the log of a job or an endpoint on SageMaker."""
