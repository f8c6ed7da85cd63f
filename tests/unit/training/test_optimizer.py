"""The float32 masters keep what bfloat16 weights would lose."""

from __future__ import annotations

import pytest
import torch

from services.training.optimizer import MasterAdamW


def trained(weight: torch.Tensor, optimizer_of: type, steps: int) -> torch.Tensor:
    parameter = torch.nn.Parameter(weight)
    optimizer = optimizer_of([parameter], lr=1e-4)
    for step in range(steps):
        parameter.grad = torch.full_like(parameter, 0.5 + step % 3)
        optimizer.step()
    return parameter.detach().float()


def test_small_updates_add_up_in_bfloat16() -> None:
    weight = torch.ones(8, dtype=torch.bfloat16)
    exact = trained(torch.ones(8), torch.optim.AdamW, 100)
    assert trained(weight.clone(), MasterAdamW, 100)[0].item() == pytest.approx(
        exact[0].item(), abs=4e-3
    )
    assert trained(weight.clone(), torch.optim.AdamW, 100)[0].item() == 1.0


def test_on_float32_it_is_adamw() -> None:
    weight = torch.linspace(-1, 1, 8)
    ours = trained(weight.clone(), MasterAdamW, 20)
    theirs = trained(weight.clone(), torch.optim.AdamW, 20)
    # torch's default decays weights by 0.01 a step of the learning rate, ours does not.
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    MasterAdamW([parameter], lr=1.0).step()
    assert parameter.tolist() == [1.0, 1.0]
