"""`slipway doctor`: what is here and what is missing, each with a remedy."""
