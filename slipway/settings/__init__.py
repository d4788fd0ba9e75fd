"""What a user has set up: slipway.toml, and the images that were pushed."""
