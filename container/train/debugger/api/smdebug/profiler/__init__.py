"""The package in which smdebug has str2bool."""
