"""`slipway report`: makes a job's reports again, from its records on this machine or in S3."""
