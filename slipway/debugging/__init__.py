"""`slipway debug`: rules over a job's tensors, run in smdebug's own environment (`container.rules`)."""
