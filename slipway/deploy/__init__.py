"""Endpoints: their kinds, the traffic between their variants, their scaling, and waiting for them."""
