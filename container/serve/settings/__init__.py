"""The server's settings from environment variables; its logs; the limits of the machine."""
