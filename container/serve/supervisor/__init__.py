"""The supervisor: starts the front and multi-model-server, keeps them running, and ends them."""
