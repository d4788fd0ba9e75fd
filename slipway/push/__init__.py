"""push.sh: the built images into Amazon ECR, in the form that SageMaker takes, and what was pushed into images.json.

`command` is the command line; the other modules are AWS, Docker, the registry, and what is decided between them.
It needs botocore and click only, so that push.sh runs without the packages of training and serving.
"""
