"""How a training job starts and ends: the toolkit, hosts, torchrun, signals, and the cause of a failure."""
