"""`slipway init`: a private bucket, an execution role and a slipway.toml."""
