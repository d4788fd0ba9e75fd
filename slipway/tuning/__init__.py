"""Tuning jobs on SageMaker, and the table and page of trials that ran anywhere."""
