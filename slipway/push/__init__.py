"""push.sh: pushes the built images to Amazon ECR, in the form that SageMaker takes, and records them in images.json.

`command` is the command line; the other modules wrap AWS, Docker and the registry, and decide what to push.
It needs botocore and click only, so that push.sh runs without the packages of training and serving.
"""
