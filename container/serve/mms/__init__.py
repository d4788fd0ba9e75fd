"""multi-model-server: its configuration, its process, its client, and the processes that workers are forked from."""
