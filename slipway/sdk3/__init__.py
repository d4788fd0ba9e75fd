"""Version 3 of the SageMaker SDK: Slipway's classes, with the SDK's own objects as attributes."""
