"""The code inside the images: training, serving, and the model, artifact and preprocessing that both share.

It follows SageMaker's container contracts, and uses neither the SDK nor AWS credentials.
"""
