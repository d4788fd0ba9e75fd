"""The classes for version 2 of the SageMaker SDK: subclasses of its own, with Slipway's definitions and checks."""
