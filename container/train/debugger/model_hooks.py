"""The hooks into training: around forward passes, and right before optimizer steps."""

import logging
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from container.train.debugger.compiled import CallInPlace, Eagerness
from container.train.debugger.model_names import is_compiled, unwrapped
from container.train.debugger.step_saver import StepSaver

logger = logging.getLogger(__name__)


class ModelHooks:
    """Observes a network and its losses, and tells a StepSaver of steps and tensors.

    A failure is one warning, and the end of saving, not of training.
    """

    def __init__(self, steps: StepSaver) -> None:
        self._steps = steps
        self._models: list[nn.Module] = []
        """The models as registered: compiled, distributed, or bare."""
        self._parameters: dict[str, nn.Parameter] = {}
        self._ids: dict[int, str] = {}
        self._modules: dict[str, nn.Module] = {}
        self._handles: list[RemovableHandle | CallInPlace] = []
        self._step_handles: list[RemovableHandle] = []
        self._owned: weakref.WeakKeyDictionary[Optimizer, bool] = weakref.WeakKeyDictionary()
        self._stepped: set[int] = set()
        """The optimizers that have stepped in the running step."""
        self._open = False
        self._learns = False
        """Whether the running step ends with an optimizer step."""
        self._sees_forwards = False
        """False if the registered network is part of a compiled one, whose forward passes call no hooks."""
        self._warned_unseen = False
        self._eagerness = Eagerness()
        self._handled: Optimizer | None = None

    def model(self, module: nn.Module) -> None:
        inner = unwrapped(module)
        if any(inner is unwrapped(model) for model in self._models):
            return
        self._models.append(module)
        root = type(inner).__name__
        for name, part in inner.named_modules():
            part._module_name = name or root  # smdebug's attribute
            self._modules[name or root] = part
        for name, parameter in inner.named_parameters():
            self._parameters[f"{root}_{name}"] = parameter
            self._ids[id(parameter)] = f"{root}_{name}"
        if not self._handles:
            self._handles.append(register_optimizer_step_pre_hook(self._before_optimizer))
        if module._compiled_call_impl is None:
            self._handles.append(module.register_forward_pre_hook(self._before_forward))
        else:
            self._handles.append(CallInPlace(module, self._before_forward))

    def loss(self, module: nn.Module) -> None:
        name = type(module).__name__

        def after(_module: nn.Module, inputs: Any, output: Any) -> None:
            if torch.compiler.is_compiling():
                return

            def record() -> None:
                self.seen_a_loss()
                self._steps.record_values(name, "input", inputs)
                self._steps.record_values(name, "output", output)

            self._attempt(record)

        self._handles.append(module.register_forward_hook(after))

    def seen_a_loss(self) -> None:
        """Begin a step whose forward pass was not seen."""
        if self._sees_forwards:
            return
        learns = self._steps.trains and torch.is_grad_enabled()
        if not learns or not self._accumulates:
            self._begin(learns)

    @property
    def _accumulates(self) -> bool:
        """Whether the running step is a training step that no optimizer step has ended yet."""
        return self._open and self._learns and not self._stepped

    def is_over(self, *, given_before: bool) -> bool:
        """Whether a tensor that the script passes now belongs to the next step.

        It does once the optimizer has stepped; in a step without an optimizer, once the script has passed it before.
        """
        if not self._open or self._stepped:
            return True
        return given_before and not self._learns

    def release(self) -> None:
        """Remove all hooks from the network."""
        for handle in self._handles:
            handle.remove()
        self._detach()

    def _before_forward(self, _module: nn.Module, _inputs: Any) -> None:
        if torch.compiler.is_compiling():
            return  # so that the trace has nothing of it
        self._sees_forwards = True
        self._attempt(self._forward)

    def _forward(self) -> None:
        learns = self._steps.trains and torch.is_grad_enabled()
        accumulates = self._accumulates and any(p.grad is not None for p in self._parameters.values())
        if not learns or not accumulates:
            self._begin(learns)

    def _begin(self, learns: bool) -> None:
        self._detach()
        self._steps.begin_step()
        self._open, self._stepped, self._learns = True, set(), learns
        if self._steps.saving:
            self._attach(self._steps.saving)
        if self._steps.saving and self._steps.writes and not learns:
            self._record_parameters()

    def step_ahead(self, optimizer: Optimizer) -> None:
        """Handle the optimizer's coming step now."""
        self._attempt(lambda: self._step(optimizer))
        self._handled = optimizer

    def _before_optimizer(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        done, self._handled = self._handled, None
        if done is optimizer:
            return
        self._attempt(lambda: self._step(optimizer))

    def _step(self, optimizer: Optimizer) -> None:
        if not self._steps.trains or not self._owns(optimizer):
            return
        if id(optimizer) in self._stepped or not self._open:
            self._begin(True)
        first = not self._stepped
        self._stepped.add(id(optimizer))
        if self._steps.saving and self._steps.writes:
            if first and self._learns:
                self._record_parameters()
            if first:
                self._record_gradients(optimizer)
            self._record_state(optimizer)
        if not self._sees_forwards:
            self._warn_unseen()
        self._detach()

    def _record_parameters(self) -> None:
        for name, parameter in self._parameters.items():
            self._steps.record(name, parameter)

    def _record_gradients(self, optimizer: Optimizer) -> None:
        # A fused optimizer unscales by itself; GradScaler passes it the scale.
        scale = getattr(optimizer, "grad_scale", None)
        factor = None if scale is None else scale.double().reciprocal().float()
        for name, parameter in self._parameters.items():
            if parameter.grad is not None:
                self._steps.record(f"gradient/{name}", parameter.grad, factor)

    def _record_state(self, optimizer: Optimizer) -> None:
        if "optimizer_variables" not in self._steps.saving and "all" not in self._steps.saving:
            return
        for parameter, state in optimizer.state.items():
            name = self._ids.get(id(parameter))
            for key, value in state.items() if name else ():
                if isinstance(value, torch.Tensor):
                    self._steps.record(f"optimizer/{key}/{name}", value)

    def _owns(self, optimizer: Optimizer) -> bool:
        if optimizer not in self._owned:
            parameters = (one for group in optimizer.param_groups for one in group["params"])
            self._owned[optimizer] = any(id(one) in self._ids for one in parameters)
        return self._owned[optimizer]

    def _observed_modules(self, saving: frozenset[str]) -> list[str]:
        """Return the modules whose inputs or outputs the step saves."""
        if not saving or not self._steps.writes:
            return []
        ends = [f"_{what}_{number}" for what in ("output", "input") for number in range(4)]
        schedule = self._steps.schedule
        return [name for name in self._modules if any(schedule.may_save(name + end, saving) for end in ends)]

    def _attach(self, saving: frozenset[str]) -> None:
        observed = self._observed_modules(saving) if self._sees_forwards else []
        for name in observed:
            self._step_handles.append(self._modules[name].register_forward_hook(self._recorder(name)))
        if observed and any(map(is_compiled, self._models)):
            self._eagerness.force()  # an existing graph calls no hooks

    def _warn_unseen(self) -> None:
        if self._models and self._observed_modules(self._steps.saving) and not self._warned_unseen:
            self._warned_unseen = True
            logger.warning(
                "the debugger does not see the network's forward passes, and cannot save the outputs of its modules; "
                "pass register_module what torch.compile returned"
            )

    def _detach(self) -> None:
        for handle in self._step_handles:
            handle.remove()
        self._step_handles = []
        self._eagerness.end()

    def _recorder(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(_module: nn.Module, inputs: Any, output: Any) -> None:
            def both() -> None:
                self._steps.record_values(name, "input", inputs)
                self._steps.record_values(name, "output", output)

            self._attempt(both)

        return record

    def _attempt(self, action: Callable[[], None]) -> None:
        if not self._steps.attempt(action):
            self._detach()
