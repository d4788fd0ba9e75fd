"""Where the hook looks into training: around forward passes, and right before optimizer steps."""

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from container.train.debugger.compiled import CallInPlace, Eagerness
from container.train.debugger.model_names import is_compiled, unwrapped

if TYPE_CHECKING:
    from container.train.debugger.hook import Hook

logger = logging.getLogger(__name__)


class Watch:
    """Of one hook. Whatever goes wrong in here is one warning, and the end of saving, not of training."""

    def __init__(self, hook: "Hook") -> None:
        self._hook = hook
        self._models: list[nn.Module] = []
        """As they were registered: compiled, distributed, or bare."""
        self._parameters: dict[str, nn.Parameter] = {}
        self._ids: dict[int, str] = {}
        self._modules: dict[str, nn.Module] = {}
        self._handles: list[RemovableHandle | CallInPlace] = []
        self._of_step: list[RemovableHandle] = []
        self._owned: weakref.WeakKeyDictionary[Optimizer, bool] = weakref.WeakKeyDictionary()
        self._stepped: set[int] = set()
        """The optimizers that have stepped in the running step."""
        self._open = False
        self._learns = False
        """Whether the running step is one that an optimizer's step ends."""
        self._sees_forwards = False
        """False for networks that are compiled with what was registered: their passes go unseen."""
        self._told_unseen = False
        self._eagerness = Eagerness()
        self._done_ahead: Optimizer | None = None

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
                self._hook.record_values(name, "input", inputs)
                self._hook.record_values(name, "output", output)

            self._guarded(record)

        self._handles.append(module.register_forward_hook(after))

    def seen_a_loss(self) -> None:
        """Begin a step that no forward pass was seen of."""
        if self._sees_forwards:
            return
        learns = self._hook.trains and torch.is_grad_enabled()
        if not learns or not self._accumulates:
            self._begin(learns)

    @property
    def _accumulates(self) -> bool:
        """Whether the running step is one of training that no optimizer's step has ended."""
        return self._open and self._learns and not self._stepped

    def is_over(self, *, given_before: bool) -> bool:
        """Whether what a script hands over now is the next step's: the optimizer has stepped, or, in a step without
        one, the script has given the same before."""
        if not self._open or self._stepped:
            return True
        return given_before and not self._learns

    def release(self) -> None:
        """Leave the network as it was."""
        for handle in self._handles:
            handle.remove()
        self._detach()

    def _before_forward(self, _module: nn.Module, _inputs: Any) -> None:
        if torch.compiler.is_compiling():
            return  # traced as nothing at all
        self._sees_forwards = True
        self._guarded(self._forward)

    def _forward(self) -> None:
        learns = self._hook.trains and torch.is_grad_enabled()
        accumulates = self._accumulates and any(p.grad is not None for p in self._parameters.values())
        if not learns or not accumulates:
            self._begin(learns)

    def _begin(self, learns: bool) -> None:
        self._detach()
        self._hook.begin_step()
        self._open, self._stepped, self._learns = True, set(), learns
        if self._hook.saving:
            self._attach(self._hook.saving)
        if self._hook.saving and self._hook.writes and not learns:
            self._record_parameters()

    def step_ahead(self, optimizer: Optimizer) -> None:
        """Do now what the optimizer's step would bring about."""
        self._guarded(lambda: self._step(optimizer))
        self._done_ahead = optimizer

    def _before_optimizer(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        done, self._done_ahead = self._done_ahead, None
        if done is optimizer:
            return
        self._guarded(lambda: self._step(optimizer))

    def _step(self, optimizer: Optimizer) -> None:
        if not self._hook.trains or not self._owns(optimizer):
            return
        if id(optimizer) in self._stepped or not self._open:
            self._begin(True)
        first = not self._stepped
        self._stepped.add(id(optimizer))
        if self._hook.saving and self._hook.writes:
            if first and self._learns:
                self._record_parameters()
            if first:
                self._record_gradients(optimizer)
            self._record_state(optimizer)
        if not self._sees_forwards:
            self._tell_unseen()
        self._detach()

    def _record_parameters(self) -> None:
        for name, parameter in self._parameters.items():
            self._hook.record(name, parameter)

    def _record_gradients(self, optimizer: Optimizer) -> None:
        # A fused optimizer unscales by itself; GradScaler then hands it the scale.
        scale = getattr(optimizer, "grad_scale", None)
        factor = None if scale is None else scale.double().reciprocal().float()
        for name, parameter in self._parameters.items():
            if parameter.grad is not None:
                self._hook.record(f"gradient/{name}", parameter.grad, factor)

    def _record_state(self, optimizer: Optimizer) -> None:
        if "optimizer_variables" not in self._hook.saving and "all" not in self._hook.saving:
            return
        for parameter, state in optimizer.state.items():
            name = self._ids.get(id(parameter))
            for key, value in state.items() if name else ():
                if isinstance(value, torch.Tensor):
                    self._hook.record(f"optimizer/{key}/{name}", value)

    def _owns(self, optimizer: Optimizer) -> bool:
        if optimizer not in self._owned:
            parameters = (one for group in optimizer.param_groups for one in group["params"])
            self._owned[optimizer] = any(id(one) in self._ids for one in parameters)
        return self._owned[optimizer]

    def _watched(self, saving: frozenset[str]) -> list[str]:
        """Modules of which the step saves inputs or outputs."""
        if not saving or not self._hook.writes:
            return []
        ends = [f"_{what}_{number}" for what in ("output", "input") for number in range(4)]
        schedule = self._hook.schedule
        return [name for name in self._modules if any(schedule.may_save(name + end, saving) for end in ends)]

    def _attach(self, saving: frozenset[str]) -> None:
        watched = self._watched(saving) if self._sees_forwards else []
        for name in watched:
            self._of_step.append(self._modules[name].register_forward_hook(self._recorder(name)))
        if watched and any(map(is_compiled, self._models)):
            self._eagerness.force()  # a graph that is there already calls no hooks

    def _tell_unseen(self) -> None:
        if self._models and self._watched(self._hook.saving) and not self._told_unseen:
            self._told_unseen = True
            logger.warning(
                "the debugger does not see the network's forward passes, and cannot save what its modules put out; "
                "give register_module what torch.compile returned"
            )

    def _detach(self) -> None:
        for handle in self._of_step:
            handle.remove()
        self._of_step = []
        self._eagerness.end()

    def _recorder(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(_module: nn.Module, inputs: Any, output: Any) -> None:
            def both() -> None:
                self._hook.record_values(name, "input", inputs)
                self._hook.record_values(name, "output", output)

            self._guarded(both)

        return record

    def _guarded(self, action: Callable[[], None]) -> None:
        if not self._hook.enabled:
            return
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the debugger is never the end of training
            self._detach()
            self._hook.fail(error)
