"""`slipway jobs`: lists running and finished jobs on SageMaker."""
