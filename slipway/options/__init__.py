"""Options that commands share, their defaults from slipway.toml, and the exit codes."""
