"""Many models in one server (SAGEMAKER_MULTI_MODEL=true): SageMaker loads and unloads them over HTTP.

Every model has processes of its own, forked from one that has imported torch. `runner.py` keeps them, in the
supervisor; `routes.py` is what clients reach, in the front.
"""
