"""Everything that crosses from one process to another."""
