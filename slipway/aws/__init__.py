"""Access to AWS: sessions, explained errors, and dry runs."""
