"""The public side: connections, admission, batches, answers."""
