"""Training jobs on SageMaker: `Estimator`, and what it needs without an SDK and with one."""
