"""The images' own programs as child processes on this machine, with a folder as /opt/ml."""
