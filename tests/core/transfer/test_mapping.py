"""Feature maps: their start, their losses, and who learns from which part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medplug.core.transfer.discrepancies import mmd
from medplug.core.transfer.mapping import MOVE_COST, AdversarialMap, AutoencoderMap, FeatureMap


def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(12, 4, generator=generator), torch.randn(9, 4, generator=generator) * 1.5 + 1


def seeded(kind: type[AutoencoderMap] | type[AdversarialMap], **sizes: int) -> AutoencoderMap | AdversarialMap:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(4, 8, **sizes)


def test_a_feature_map_starts_as_the_identity_and_learns_from_there() -> None:
    source, target = pair()
    module = FeatureMap(4, 8)
    assert torch.equal(module(source), source)
    mmd(module(source), target).backward()
    last = module.change[2]
    assert isinstance(last, nn.Linear) and last.weight.grad is not None and last.weight.grad.abs().sum() > 0
    for whole in (AdversarialMap(4, 8), AutoencoderMap(4, 8, 3)):
        assert torch.equal(whole(source), source)
        whole.transfer_loss(source, target).backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in whole.parameters())


def test_the_autoencoder_pays_for_the_targets_reconstruction_the_discrepancy_and_the_move() -> None:
    source, target = pair()
    module = seeded(AutoencoderMap, code=3)
    assert isinstance(module, AutoencoderMap) and module.encoder(source).shape == (12, 3)
    with torch.no_grad():
        module.decoder[2].weight.fill_(0.3)  # type: ignore[union-attr, operator]
    change, lost = module.decoder(module.encoder(source)), module.decoder(module.encoder(target))
    move = MOVE_COST * (change**2).sum() / source.numel()
    rebuilt = MOVE_COST * (lost**2).sum() / target.numel()
    wanted = mmd(source + change, target) + rebuilt + move
    torch.testing.assert_close(module.transfer_loss(source, target), wanted)


def test_the_adversaries_losses_are_the_least_squares_ones() -> None:
    source, target = pair()
    module = seeded(AdversarialMap)
    assert isinstance(module, AdversarialMap)
    with torch.no_grad():
        module.generator.change[2].weight.fill_(0.3)  # type: ignore[union-attr, operator]
    move = MOVE_COST * (module(source) - source).square().mean()
    told, kept = module.discriminator(module(source)), module.discriminator(target)
    wanted = ((told - 1) ** 2).mean() / 2 + (told**2).mean() / 2 + ((kept - 1) ** 2).mean() / 2 + move
    torch.testing.assert_close(module.transfer_loss(source, target), wanted)
    module.transfer_loss(source, target).backward()
    inner, outer = [p.grad for p in module.generator.parameters()], [p.grad for p in module.discriminator.parameters()]
    deceive = ((module.discriminator(module(source)) - 1) ** 2).mean() / 2 + move
    judge = (module.discriminator(module(source).detach()) ** 2).mean() / 2 + (
        (module.discriminator(target) - 1) ** 2
    ).mean() / 2
    torch.testing.assert_close(inner, list(torch.autograd.grad(deceive, list(module.generator.parameters()))))
    torch.testing.assert_close(outer, list(torch.autograd.grad(judge, list(module.discriminator.parameters()))))


def test_a_players_balance_is_three_eighths() -> None:
    source, target = pair()
    module = AdversarialMap(4, 8)
    last = module.discriminator[2]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(0.5)
    assert module.transfer_loss(source, target).item() == pytest.approx(3 / 8)


@pytest.mark.parametrize("module", [AutoencoderMap(4, 8, 3), AdversarialMap(4, 8)], ids=["autoencoder", "gan"])
def test_unfit_samples_are_refused_and_autocast_changes_nothing(module: AutoencoderMap | AdversarialMap) -> None:
    source, target = pair()
    with torch.autocast("cpu", torch.bfloat16):
        inside = module.transfer_loss(source, target)
    assert torch.equal(inside, module.transfer_loss(source, target))
    with pytest.raises(ValueError, match=r"source and target must be .* one width; got shapes \[12, 4\] and \[9, 3\]"):
        module.transfer_loss(source, target[:, :3])
