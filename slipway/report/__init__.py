"""`slipway report`: a job's reports made anew, of the files that it recorded here or in S3."""
