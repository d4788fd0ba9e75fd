"""One optimizer step at a time."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from container.networks.batch_norm import freeze_statistics
from container.preprocessing import Preprocessing
from container.train.data.loading import Batch
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.loop.averaging import AveragedWeights
from container.train.loop.losses import Logged, Losses
from container.train.loop.mixing import NOT_MIXED, Mixing
from container.train.profiler.timing import NO_TIMER, StepTimer


class Stepper:
    """A model and everything that turns a batch into a step: optimizer, gradient scaler, criterion, losses and timer.

    Args:
        model: On the device; trained in place.
        optimizer: Over the model's parameters.
        world: The processes of the job.
        device: Where, and in which precision.
        preprocessing: Normalizes batches on the device.
        class_weights: float32 (classes,), on the device.
        label_smoothing: From 0 to 1.
        mixing: Mixes the pictures of each batch; None leaves them alone.
        clip_grad: Largest norm of all gradients together; 0 does not clip.
        averages: Updated after each step.
        head: Names of the classifier's parameters, which are all that a head-only epoch trains.
        keeps_statistics: Leave the running statistics of batch normalisation as they are, and normalise by them.
        debugger: Shown each batch, and the gradients as backward leaves them, unscaled and not yet clipped.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        world: World,
        device: Device,
        preprocessing: Preprocessing,
        class_weights: torch.Tensor | None = None,
        label_smoothing: float = 0.0,
        mixing: Mixing | None = None,
        clip_grad: float = 0.0,
        averages: AveragedWeights | None = None,
        head: Collection[str] = (),
        keeps_statistics: bool = False,
        debugger: Debugger | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scaler = torch.amp.GradScaler(device.torch_device.type, enabled=device.scales_gradients)
        self.losses = Losses(world, device, epoch=1, done=0, count=0)
        self.timer: StepTimer = NO_TIMER
        """Told where each phase of a step ends."""
        self.debugger = debugger
        self._world, self._device = world, device
        self.mixing = mixing
        self._clip_grad, self._averages = clip_grad, averages
        self._normalize = preprocessing.normalizer(device.torch_device)
        self._criterion = nn.CrossEntropyLoss(
            weight=class_weights, label_smoothing=label_smoothing, reduction="mean" if world.size == 1 else "sum"
        )
        self._epoch = self._done = 0
        self._head = frozenset(head)
        self._network: nn.Module | None = None
        self._head_only = False
        self._keeps_statistics = keeps_statistics

    def begin_epoch(self, epoch: int, *, count: int, done: int = 0, head_only: bool = False) -> None:
        """Put the model into training mode and start the losses of an epoch.

        Args:
            epoch: Counted from 1.
            count: Steps of the whole epoch.
            done: Steps of it before an interruption.
            head_only: Train the last layer alone: the body neither learns nor moves its batch statistics.
        """
        self.model.train()
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not head_only or name in self._head)
        if head_only or self._keeps_statistics:
            freeze_statistics(self.model)
        if self._network is None or head_only != self._head_only:
            self._network, self._head_only = self._world.parallel(self.model), head_only
        self.losses = Losses(self._world, self._device, epoch=epoch, done=done, count=count)
        self._epoch, self._done = epoch, done

    @contextmanager
    def step(self, batch: Batch, weight: float) -> Iterator[Sequence[Logged]]:
        """Take one optimizer step; gives the losses that can be logged by now, of this step or the one before it. What
        happens within the context counts as the step's time.

        Args:
            batch: uint8 pictures (N, size, size, 3) and class indices (N,): this process's share.
            weight: Sum of the class weights of the pictures of all processes; their number where classes have none.

        Raises:
            LossNotFinite: The loss of an earlier step was not; the parameters are wrong from there on.
        """
        assert self._network is not None
        timer, debugger = self.timer, self.debugger
        timer.mark("data")
        pictures, targets = (tensor.to(self._device.torch_device, non_blocking=True) for tensor in batch)
        timer.mark("copy")
        self._done += 1
        mix = self.mixing.draw(self._epoch, self._done, pictures.shape[1]) if self.mixing else NOT_MIXED
        with self._device.autocast():
            logits = self._network(mix.pictures(self._normalize(pictures)))
            loss = mix.loss(self._criterion, logits, targets)
        if self._world.size > 1:
            # The mean over processes, which backward takes, is then the weighted mean over the whole batch.
            loss = loss * (self._world.size / weight)
        timer.mark("forward")
        if debugger is not None:
            debugger.observe(loss, logits, mix.main_classes(targets))
            timer.mark("debugger")
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        timer.mark("backward")
        if self._clip_grad:
            self.scaler.unscale_(self.optimizer)
        if debugger is not None:
            debugger.before_step(self.optimizer, None if self._clip_grad else self.scaler)
            timer.mark("debugger")
        if self._clip_grad:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self._averages is not None:
            self._averages.update()
        timer.mark("optimizer")
        logged = list(self.losses.add(loss))
        try:
            yield logged
        finally:  # also where the job ends at this step
            timer.end_step(len(targets))


def seed_step(seed: int, step: int, world: World) -> None:
    """Seed what a network leaves to chance in a step, dropout and stochastic depth, so that a resumed job repeats it.

    Args:
        seed: The hyperparameter.
        step: Counted from 0 over all epochs.
        world: Each process has its own chance.
    """
    torch.manual_seed(hash((seed, step, world.rank)))
