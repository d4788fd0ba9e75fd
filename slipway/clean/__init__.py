"""`slipway clean`: finds what Slipway left in the account, by its tag, and deletes it."""
