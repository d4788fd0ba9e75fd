"""A linear probe: the head fitted to the features of the pretrained body, which are computed once per picture.

Fine-tuning that starts from it distorts the features less ("Fine-Tuning can Distort Pretrained Features and
Underperform Out-of-Distribution"); alone it takes seconds. The head is fitted to features that batch normalisation
computes with the pretrained statistics, so fine-tuning keeps them: by the statistics of batches the features would be
others, and the head would have to be learnt again.
"""

import logging
import time
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from container.contract.errors import HyperparameterError
from container.networks.head import head_names
from container.train.launch.distributed import World
from container.train.loop.features import Features, compute_features
from container.train.loop.job import Job
from container.train.records.evaluation import Evaluation

logger = logging.getLogger(__name__)

# Factors of half the head's squared norm, over standardized features; the lowest evaluation loss chooses.
_PENALTIES = (1.0, 0.1, 0.01, 0.001, 0.0001)
_ITERATIONS = 50


@dataclass(frozen=True)
class Fitted:
    """A fitted head."""

    weight: torch.Tensor
    """float32 (classes, features)."""
    bias: torch.Tensor
    """float32 (classes,)."""
    loss: float
    """Mean loss over the training pictures."""
    evaluation: Evaluation


def probe(model: nn.Module, job: Job) -> Fitted | None:
    """Fit the head of the model; its body stays as it is.

    Returns:
        The head, or None if the network's is not one linear layer.

    Raises:
        HyperparameterError: The head is not one linear layer, and nothing but a probe is asked for.
        Interrupted: The job was asked to end.
    """
    started, name = time.perf_counter(), job.config.model_type
    head = _linear_head(model, name)
    if head is None and job.config.probe == "only":
        raise HyperparameterError(
            f"hyperparameter probe is only, but the head of {name} is not one linear layer; set probe to off"
        )
    if head is None:
        logger.warning("no linear probe: the head of %s is not one linear layer", name)
        return None
    model.load_state_dict(job.world.share(dict(model.state_dict())))
    train, validation = (compute_features(model, head, job, "train"), compute_features(model, head, job, "validation"))
    found = _share(
        fit_head(
            train,
            validation,
            class_count=len(job.splits.classes),
            device=job.device.torch_device,
            class_weights=job.class_weights,
            label_smoothing=job.config.label_smoothing,
        ),
        job.world,
    )
    with torch.no_grad():
        head.weight.copy_(found.weight)
        head.bias.copy_(found.bias)
    logger.info(
        "linear probe of %d pictures in %.1f s: validation accuracy %.2f %%",
        *(len(train.targets), time.perf_counter() - started, found.evaluation.accuracy),
    )
    return found


def can_probe(model: nn.Module, architecture: str) -> bool:
    """Whether the network's head is one linear layer."""
    return _linear_head(model, architecture) is not None


def _linear_head(model: nn.Module, architecture: str) -> nn.Linear | None:
    places = {name.rpartition(".")[0] for name in head_names(architecture, model)}
    head = model.get_submodule(places.pop()) if len(places) == 1 else None
    return head if isinstance(head, nn.Linear) and head.bias is not None else None


def _share(fitted: Fitted, world: World) -> Fitted:
    """Take the first process's result in all: different devices round differently."""
    loss, confusion = fitted.evaluation.loss, fitted.evaluation.confusion
    weight, bias, (train_loss, evaluation_loss), confusion = world.share(
        (fitted.weight, fitted.bias, (fitted.loss, loss), confusion)
    )
    return Fitted(weight, bias, train_loss, Evaluation(evaluation_loss, confusion))


def fit_head(
    train: Features,
    validation: Features,
    *,
    class_count: int,
    device: torch.device,
    class_weights: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Fitted:
    """Fit by logistic regression with L-BFGS, from the strongest penalty to weaker ones while the evaluation improves.

    Args:
        train: Features to fit.
        validation: Features that choose the penalty.
        class_count: Outputs of the head.
        device: Where to compute.
        class_weights: float32 (classes,), on the device.
        label_smoothing: Of the training loss, from 0 to 1.
    """
    mean = train.values.mean(0).to(device)
    spread = train.values.std(0, correction=0).clamp_min(1e-6).to(device)
    weight = torch.zeros(class_count, len(mean), device=device, requires_grad=True)
    bias = torch.zeros(class_count, device=device, requires_grad=True)
    counts = torch.bincount(train.targets, minlength=class_count).to(device)
    total = float(counts.sum() if class_weights is None else (counts * class_weights).sum())

    def loss_and_gradient(penalty: float) -> float:
        weight.grad, bias.grad = penalty * weight.detach(), torch.zeros_like(bias)
        summed = 0.0
        for values, targets in train.chunks(device):
            logits = ((values - mean) / spread) @ weight.T + bias
            loss = cross_entropy(logits, targets, class_weights, reduction="sum", label_smoothing=label_smoothing)
            (loss / total).backward()  # type: ignore[no-untyped-call]
            summed += loss.item() / total
        return summed + penalty / 2 * float(weight.detach().square().sum())

    best: Fitted | None = None
    for penalty in _PENALTIES:
        solver = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")
        solver.step(partial(loss_and_gradient, penalty))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            plain = weight / spread
            offset = bias - plain @ mean
            result = _evaluate(plain, offset, validation, class_weights)
        if best is not None and result.loss >= best.evaluation.loss:
            break
        best = Fitted(plain, offset, loss_and_gradient(0.0), result)
    assert best is not None
    return best


def _evaluate(
    weight: torch.Tensor, bias: torch.Tensor, features: Features, class_weights: torch.Tensor | None
) -> Evaluation:
    classes, loss = len(bias), 0.0
    confusion = torch.zeros(classes * classes, dtype=torch.int64)
    for values, targets in features.chunks(weight.device):
        logits = values @ weight.T + bias
        loss += float(cross_entropy(logits, targets, class_weights, reduction="sum"))
        confusion += torch.bincount(targets * classes + logits.argmax(1), minlength=classes * classes).cpu()
    return Evaluation(loss=loss / len(features.targets), confusion=confusion.view(classes, classes))
