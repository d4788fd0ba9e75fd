"""Training itself: setting a job up, the training loop, evaluation and the test at the end."""
