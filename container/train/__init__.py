"""The training image: the launcher that SageMaker starts, and the program that fine-tunes a ResNet.

`launcher` is the `train` command; it runs the sagemaker-training toolkit, which runs `program` or the user's script.
"""
