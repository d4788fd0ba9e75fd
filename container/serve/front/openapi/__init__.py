"""The server's routes, described in OpenAPI."""
