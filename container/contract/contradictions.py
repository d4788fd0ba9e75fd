"""Hyperparameters that contradict each other."""

from collections.abc import Iterator, Mapping
from typing import Any

from container.contract.networks import is_resnet


def contradictions(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each contradiction, beginning with the name of a hyperparameter.

    Args:
        job: The fields of a TrainConfig.
    """
    if job["amp"] == "fp16" and not job["use_cuda"]:
        yield "amp is fp16, which needs a GPU, but use-cuda is false"
    if job["drop_path"] and is_resnet(job["model_type"]):
        yield (
            f"drop-path is {job['drop_path']:g}, but {job['model_type']} has no stochastic depth; leave it out, or "
            "choose a network of timm"
        )
    if job["int8"] and not job["export"]:
        yield "int8 is true, but export is false, and it is the exported graph that is quantised; set export to true"
    yield from _schedule(job)
    yield from _probe(job)
    yield from _augmentation(job)


def _schedule(job: Mapping[str, Any]) -> Iterator[str]:
    if job["lr_schedule"] == "step" and job["warmup_epochs"]:
        yield (
            f"warmup-epochs is {job['warmup_epochs']:g}, but lr-schedule is step, which has no warm-up; set "
            "lr-schedule to cosine, or warmup-epochs to 0"
        )
    # The defaults themselves contradict nothing: a job's settings are read again with all of them.
    for name, default in (("lr_sched_step_size", 6), ("lr_sched_gamma", 0.5)):
        if job["lr_schedule"] == "cosine" and job[name] != default:
            yield (
                f"{name.replace('_', '-')} is {job[name]}, but lr-schedule is cosine, which does not use it; leave it "
                "out, or set lr-schedule to step"
            )


def _probe(job: Mapping[str, Any]) -> Iterator[str]:
    if job["probe"] != "off" and job["weights"] == "none":
        yield (
            f"probe is {job['probe']}, but weights is none: random weights have no features to fit a head to; set "
            "probe to off"
        )
    # What only epochs make use of, and its value where it is off.
    for name, off in (("freeze_epochs", 0), ("mixup", 0), ("cutmix", 0), ("progressive_sizes", 1)):
        if job["probe"] == "only" and job[name] != off:
            known = name.replace("_", "-")
            yield (
                f"{known} is {job[name]:g}, but probe is only, after which no epochs follow; set probe to first, or "
                f"leave {known} out"
            )


def _augmentation(job: Mapping[str, Any]) -> Iterator[str]:
    if job["augmentation"] != "rand" and job["rand_magnitude"] != 9:  # the default
        yield (
            f"rand-magnitude is {job['rand_magnitude']}, but augmentation is {job['augmentation']}; set augmentation "
            "to rand, or leave rand-magnitude out"
        )
    if (job["mixup"] or job["cutmix"]) and job["batch_size"] == 1:
        yield (
            f"{'mixup' if job['mixup'] else 'cutmix'} mixes the pictures of a batch, but batch-size is 1; choose at "
            "least 2, or set it to 0"
        )
    growing = f"progressive-sizes is {job['progressive_sizes']:g}"
    if job["progressive_sizes"] < 1 and job["budget"]:
        yield f"{growing}, but with a budget the job chooses the size of its pictures; leave one of the two out"
    if job["progressive_sizes"] < 1 and (0 < job["image_size"] <= 32 or job["epochs"] == 1):
        reason = "epochs is 1" if job["epochs"] == 1 else f"image-size is {job['image_size']}, the smallest"
        yield f"{growing}, but {reason}, which leaves no room to grow; set progressive-sizes to 1"
