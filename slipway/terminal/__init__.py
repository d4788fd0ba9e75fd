"""What the commands show on a terminal: lines, tables, progress, logs."""
