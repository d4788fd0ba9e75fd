"""The server's metrics: for Prometheus on a port of their own, and for CloudWatch in the log."""
