"""`python -m slipway`, for when the console script is not on PATH."""

from slipway.cli import main

main()
