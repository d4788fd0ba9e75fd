"""Exports a trained network to graphs that other engines read, and checks them against torch."""
