"""Requests to a serving container, and its answers."""
