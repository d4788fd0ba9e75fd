"""The seed project's loop: AdamW and StepLR with its rates, its transforms, and its DataLoader without workers.

Its own test pictures pass through the training transforms, which are random; here they are cropped as usual instead,
which is to its advantage.
"""

import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from bench.accuracy.task import Curve, Task
from bench.accuracy.torchvision_reference import load_test
from bench.picture_set import PictureSet
from bench.plain_training import PlainTraining
from container.contract.hyperparameters import TrainConfig
from container.networks.head import head_names

_STEP_SIZE, _GAMMA = 6, 0.5


def train(task: Task) -> Curve:
    """Train as the seed project does."""
    pictures = load_test(task)
    curve = Curve()
    train_set = PictureSet.of_folder(task.data / "train")
    model = task.network(train_set.class_count)
    for name, parameter in model.named_parameters():
        if name in head_names(task.model, model) and parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    config = TrainConfig(  # its rates are the defaults
        model_type=task.model, image_size=task.image_size, batch_size=task.batch_size, seed=task.seed
    )
    plain = PlainTraining(train_set, config, torch.device("cpu"), model)
    schedule = StepLR(plain.optimizer, _STEP_SIZE, _GAMMA)
    for _ in range(task.epochs):
        plain.epoch()
        curve.test(model, pictures)
        schedule.step()
    return curve
