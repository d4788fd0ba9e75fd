"""The host side: what runs on the user's machine. It never imports torch."""
