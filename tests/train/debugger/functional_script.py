"""A user's script without modes and loss modules, which hands smdebug's hook some tensors itself."""

import smdebug.pytorch as smd
import torch
from torch import nn
from torch.nn.functional import cross_entropy


def main() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    hook = smd.Hook.create_from_json_file()
    hook.register_module(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for number in range(5):
        data, target = torch.randn(8, 4), torch.randint(0, 3, (8,))
        hook.save_tensor("data", data)
        optimizer.zero_grad()
        output = model(data)
        loss = cross_entropy(output, target)
        hook.record_tensor_value("cross_entropy_loss", loss)
        hook.save_tensor("labels", target, "labels")
        hook.save_scalar("number", number)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for _ in range(3):
            data, target = torch.randn(8, 4), torch.randint(0, 3, (8,))
            hook.save_tensor("data", data)
            hook.record_tensor_value("cross_entropy_loss", cross_entropy(model(data), target))
    hook.close()


if __name__ == "__main__":
    main()
