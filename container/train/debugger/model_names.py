"""The network inside the wrappers of distributed training and torch.compile."""

from torch import nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parallel import DataParallel, DistributedDataParallel


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the network itself, after which the tensors are named."""
    while True:
        if isinstance(module, OptimizedModule):
            module = module._orig_mod
        elif isinstance(module, DistributedDataParallel | DataParallel):
            module = module.module
        else:
            return module


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile was applied to the network or a part of it, around it or in place."""
    while isinstance(module, DistributedDataParallel | DataParallel):
        module = module.module
    return isinstance(module, OptimizedModule) or any(part._compiled_call_impl is not None for part in module.modules())
