"""Several tasks at once: heads, weights and gradients, held to plain float64 arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from medplug.core.transfer.multitask import (
    FixedWeights,
    MultiHead,
    UncertaintyWeights,
    pcgrad_backward,
    project_conflicts,
)


def test_each_head_is_linear_in_the_same_features_and_keeps_its_name() -> None:
    heads = MultiHead(4, {"type": 3, "keys": 1, "length of stay": 2})
    features = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    logits = heads(features)
    assert {name: list(part.shape) for name, part in logits.items()} == {
        "type": [5, 3],
        "keys": [5, 1],
        "length of stay": [5, 2],
    }
    state = heads.state_dict()
    wanted = features @ state["heads.to_keys.weight"].T + state["heads.to_keys.bias"]
    torch.testing.assert_close(logits["keys"], wanted)
    with pytest.raises(ValueError, match=r"without dots; got \['a.b'\]"):
        MultiHead(4, {"a.b": 1})
    with pytest.raises(ValueError, match="at least one task, without dots; got none"):
        MultiHead(4, {})


def test_fixed_weights_are_a_weighted_sum_that_trains_nothing() -> None:
    weigh = FixedWeights([2, 0.5, 0])
    losses = [torch.tensor(value, requires_grad=True) for value in (1.0, 3.0, 5.0)]
    total = weigh(losses)
    assert total.item() == 3.5 and weigh(torch.stack(losses)).item() == 3.5
    total.backward()
    assert [loss.grad.item() for loss in losses if loss.grad is not None] == [2, 0.5, 0]
    assert not list(weigh.parameters()) and weigh.state_dict()["weights"].tolist() == [2, 0.5, 0]
    with pytest.raises(ValueError, match=r"at least 0, one a task; got \[1, -1\]"):
        FixedWeights([1, -1])


def test_uncertainty_starts_as_the_plain_sum_and_has_the_papers_gradient() -> None:
    weigh = UncertaintyWeights(3)
    losses = torch.tensor([1.0, 3.0, 5.0], dtype=torch.float64, requires_grad=True)
    assert weigh(losses).item() == 9
    weigh = weigh.double()
    with torch.no_grad():
        weigh.log_variances.copy_(torch.tensor([0.5, -1.0, 2.0]))
    sigmas = [math.exp(s / 2) for s in (0.5, -1.0, 2.0)]
    wanted = sum(loss / sigma**2 + math.log(sigma) for loss, sigma in zip((1, 3, 5), sigmas, strict=True))
    assert weigh(losses).item() == pytest.approx(wanted)
    assert gradcheck(
        lambda s, x: torch.func.functional_call(weigh, {"log_variances": s}, (x,)), (weigh.log_variances, losses)
    )


def test_a_learned_weight_is_at_rest_where_it_is_the_inverse_of_twice_its_loss() -> None:
    weigh, losses = UncertaintyWeights(3), torch.tensor([0.1, 40.0, 3.0])
    with torch.no_grad():
        weigh.log_variances.copy_((2 * losses * torch.tensor([1.0, 1.0, 2.0])).log())
    weigh(losses).backward()
    assert weigh.log_variances.grad is not None
    torch.testing.assert_close(weigh.log_variances.grad, torch.tensor([0, 0, 0.25]))


def test_parts_of_a_batch_add_up_to_it_and_a_task_without_rows_is_left_out() -> None:
    weigh, whole = UncertaintyWeights(3), torch.tensor([2.0, 5.0, 0.0])
    with torch.no_grad():
        weigh.log_variances.copy_(torch.tensor([0.5, -1.0, 2.0]))
    parts = [
        (torch.tensor([0.5, 5.0, 0.0]), torch.tensor([0.25, 1, 0])),
        (torch.tensor([1.5, 0, 0]), torch.tensor([0.75, 0, 0])),
    ]
    found = torch.stack([weigh(losses, shares) for losses, shares in parts]).sum()
    found.backward()
    two = UncertaintyWeights(2)
    with torch.no_grad():
        two.log_variances.copy_(weigh.log_variances[:2])
    expected = two(whole[:2])
    expected.backward()
    torch.testing.assert_close(found, expected)
    assert weigh.log_variances.grad is not None and two.log_variances.grad is not None
    torch.testing.assert_close(weigh.log_variances.grad, torch.cat([two.log_variances.grad, torch.zeros(1)]))


@pytest.mark.parametrize("weigh", [FixedWeights([1, 1]), UncertaintyWeights(2)])
def test_losses_are_as_many_scalars_as_tasks_and_summed_in_float32(weigh: nn.Module) -> None:
    narrow = torch.tensor(1.0, dtype=torch.bfloat16)
    assert weigh([narrow, narrow / 512]).item() == 1 + 1 / 512
    with pytest.raises(ValueError, match=r"losses must be \[2\], one a task; got shape \[3\]"):
        weigh(torch.zeros(3))
    with pytest.raises(ValueError, match=r"2 scalars; got shapes \[\[\], \[2\]\]"):
        weigh([torch.tensor(1.0), torch.zeros(2)])


def reference(gradients: list[Tensor], generator: torch.Generator) -> Tensor:
    """Projection by projection, as the paper's algorithm is written."""
    freed = []
    for i, gradient in enumerate(gradients):
        current = gradient.clone()
        for j in torch.randperm(len(gradients), generator=generator).tolist():
            along = current @ gradients[j]
            if j != i and along < 0:
                current -= along / gradients[j].square().sum() * gradients[j]
        freed.append(current)
    return torch.stack(freed).sum(0)


def drawn(tasks: int, size: int, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(tasks, size, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_projections_are_the_references(tasks: int, seed: int) -> None:
    gradients = drawn(tasks, 4, seed)
    ours = project_conflicts(gradients, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(ours, reference(gradients, torch.Generator().manual_seed(seed)))


def test_conflicts_are_taken_out_and_agreement_is_left_alone() -> None:
    for seed in range(10):
        x, y = drawn(2, 3, seed)
        joined = project_conflicts([x, y])
        if x @ y >= 0:
            torch.testing.assert_close(joined, x + y)
        else:
            assert joined @ x > 0 and joined @ y > 0
    x = drawn(1, 3, 0)[0]
    assert project_conflicts([x, -x]).abs().max() < 1e-12
    torch.testing.assert_close(project_conflicts([x, 0 * x]), x)


def test_orders_come_from_the_generator_and_autocast_does_not_reach_the_products() -> None:
    gradients = [gradient.float() for gradient in drawn(6, 5, 3)]
    state = torch.random.get_rng_state()
    first, other = (project_conflicts(gradients, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert not torch.allclose(first, other) and torch.equal(state, torch.random.get_rng_state())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(project_conflicts(gradients, torch.Generator().manual_seed(0)), first)
    with pytest.raises(ValueError, match=r"one size; got shapes \[\[5\], \[4\]\]"):
        project_conflicts([gradients[0], gradients[1][:4]])


def network(seed: int) -> tuple[nn.Linear, MultiHead, list[Tensor]]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body, heads = nn.Linear(4, 6).double(), MultiHead(6, {"a": 1, "b": 1}).double()
        logits = heads(body(torch.randn(8, 4, dtype=torch.float64)))
        aims = torch.randn(2, 8, 1, dtype=torch.float64) * 3
    return body, heads, [(logits[name] - aim).square().mean() for name, aim in zip(("a", "b"), aims, strict=True)]


def test_shared_parameters_get_the_projected_sum_and_heads_their_plain_gradient() -> None:
    conflicts = 0
    for seed in range(6):
        body, heads, losses = network(seed)
        shared = list(body.parameters())
        each = [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, shared, retain_graph=True)]) for loss in losses
        ]
        conflicts += bool(each[0] @ each[1] < 0)
        own = torch.autograd.grad(losses[0], heads.heads["to_a"].weight, retain_graph=True)[0]
        pcgrad_backward(losses, [*heads.parameters(), *shared], torch.Generator().manual_seed(0))
        got = torch.cat([p.grad.flatten() for p in shared if p.grad is not None])
        torch.testing.assert_close(got, reference(each, torch.Generator().manual_seed(0)))
        torch.testing.assert_close(heads.heads["to_a"].weight.grad, own)
    assert conflicts


def test_gradients_add_up_as_in_a_backward_and_what_no_loss_reaches_is_left_alone() -> None:
    body, _, losses = network(0)
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    idle = nn.Parameter(torch.ones(2))
    body.bias.grad = torch.ones(6, dtype=torch.float64)
    pcgrad_backward(losses[:1], [body.weight, body.bias, frozen, idle])
    wanted = torch.autograd.grad(network(0)[2][0], [body.weight], allow_unused=True)
    assert wanted == (None,) and frozen.grad is None and idle.grad is None
    body2, _, losses2 = network(0)
    losses2[0].backward()
    torch.testing.assert_close(body.weight.grad, body2.weight.grad)
    assert body2.bias.grad is not None
    torch.testing.assert_close(body.bias.grad, body2.bias.grad + 1)
