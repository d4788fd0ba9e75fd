"""AWS's side: where and as whom calls are made, what its refusals mean, and what a dry run shows of it."""
