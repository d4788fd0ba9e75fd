"""`slipway debug`: rules over a job's tensors, run in the environment of smdebug (`container.rules`)."""
