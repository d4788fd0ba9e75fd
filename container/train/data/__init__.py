"""From channels to batches."""
