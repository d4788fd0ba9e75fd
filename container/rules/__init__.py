"""SageMaker Debugger's built-in rules over a trial's tensors, and a program that runs them and users' own.

They need smdebug 1.0.34, which works beside older packages only, and therefore run in its environment: .venv-smdebug of
a checkout, /opt/slipway-smdebug of the training image. What must be known elsewhere (`definitions`, `parameters`,
`finding`, `selection`) imports nothing of it.
"""
