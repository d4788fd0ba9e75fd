"""`slipway download`: fetches what a job has left in S3, or an endpoint's model."""
