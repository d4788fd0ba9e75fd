"""Checkpoint files, and the thread that writes them and the model while training goes on."""
