"""The package in which smdebug has its modes and collections."""
