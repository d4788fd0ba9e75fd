"""What runs inside the images: training, serving, and the model, artifact and preprocessing that both share.

It knows the SageMaker container contracts and nothing of the SDK, AWS credentials or the host.
"""
