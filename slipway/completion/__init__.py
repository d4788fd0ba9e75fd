"""`slipway completion`: prints the shell's completion script."""
