"""`python -m slipway.push`, which push.sh runs."""

from slipway.push.command import main

main()
