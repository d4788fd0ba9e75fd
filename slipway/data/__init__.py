"""`slipway data`: writes the sample data set, explores a data set, uploads one to S3."""
