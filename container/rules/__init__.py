"""SageMaker Debugger's built-in rules over a trial's tensors, and a program that runs them and users' own rules.

They need smdebug 1.0.34, which needs older packages, and so run in an environment of its own: .venv-smdebug in a
checkout, /opt/slipway-smdebug in the training image. The modules that are used elsewhere (`definitions`, `parameters`,
`finding`, `selection`) do not import smdebug.
"""
