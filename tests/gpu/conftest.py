"""The fixtures of training's and serving's tests, for the tests that need a GPU."""

from tests.serve.conftest import base_dir, model_dir, picture, pictures, start_server
from tests.train.conftest import job

__all__ = ["base_dir", "job", "model_dir", "picture", "pictures", "start_server"]
