"""`python -m slipway.push`, the program behind push.sh."""

from slipway.push.command import main

main()
