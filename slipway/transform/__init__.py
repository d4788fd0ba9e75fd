"""`slipway transform`: writes the predictions for many pictures to one file."""
