"""How fast training is beside another program on the same CPUs."""
