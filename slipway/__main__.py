"""`python -m slipway`, where the console script is not on PATH."""

from slipway.cli import main

main()
