"""What is under the wrappers that distributed training and torch.compile put around a network."""

from torch import nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DataParallel, DistributedDataParallel


def unwrapped(module: nn.Module) -> nn.Module:
    """The network itself, whose names the tensors have."""
    while True:
        if isinstance(module, OptimizedModule):
            module = module._orig_mod
        elif isinstance(module, DistributedDataParallel | DataParallel):
            module = module.module
        else:
            return module


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile was applied, around it or in place, or to a part."""
    while isinstance(module, DistributedDataParallel | DataParallel):
        module = module.module
    return isinstance(module, OptimizedModule) or any(part._compiled_call_impl is not None for part in module.modules())
