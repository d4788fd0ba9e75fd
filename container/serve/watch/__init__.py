"""What the server tells of itself beside its log: metrics for Prometheus, and for CloudWatch in the log."""
