"""Center loss against the published rule, and the joint criterion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from skser.nn import CenterLoss, CenterLossCriterion


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, 4, generator=generator, dtype=torch.double)
    embedding = torch.randn(12, 3, generator=generator, dtype=torch.double)
    y = torch.tensor([0, 1, 1, 3, 3, 3, 0, 1, 3, 3, 0, 1])  # class 2 is absent
    return logits, embedding, y


def published_update(centers: np.ndarray, z: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """Equation 4 of Wen et al. (ECCV 2016), written as it is printed."""
    moved = centers.copy()
    for j in range(len(centers)):
        numerator, denominator = np.zeros(centers.shape[1]), 1.0
        for i in range(len(z)):
            if y[i] == j:
                numerator += centers[j] - z[i]
                denominator += 1
        moved[j] = centers[j] - alpha * numerator / denominator
    return moved


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 1.0])
def test_centers_move_as_published(batch, alpha):
    _, z, y = batch
    center_loss = CenterLoss(4, 3, alpha=alpha).double()
    center_loss.centers += 1
    expected = center_loss.centers.numpy().copy()
    for step in range(5):
        shifted = z + step
        expected = published_update(expected, shifted.numpy(), y.numpy(), alpha)
        center_loss.update(shifted, y)
        np.testing.assert_allclose(center_loss.centers, expected, rtol=1e-12)
    assert (center_loss.centers[2] == 1).all()  # absent from the batch
    assert (center_loss.centers[[0, 1, 3]] != 1).all() == (alpha > 0)


def test_value_is_half_the_mean_squared_distance(batch):
    _, z, y = batch
    center_loss = CenterLoss(4, 3).double()
    center_loss.update(z, y)
    centers = center_loss.centers.numpy()
    expected = 0.5 * np.mean([((z[i].numpy() - centers[y[i]]) ** 2).sum() for i in range(len(y))])
    np.testing.assert_allclose(center_loss(z, y), expected)


def test_centers_are_saved_and_are_not_parameters(batch):
    _, z, y = batch
    center_loss, restored = CenterLoss(4, 3), CenterLoss(4, 3)
    center_loss.update(z, y)
    assert list(center_loss.parameters()) == []
    restored.load_state_dict(center_loss.state_dict())
    torch.testing.assert_close(restored.centers, center_loss.centers)


@pytest.mark.parametrize("class_weight", [None, [0.5, 1.0, 2.0, 3.0]])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_of_the_joint_loss(batch, class_weight, weighted):
    logits, z, y = batch
    weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.double)
    criterion = CenterLossCriterion(4, 3, center_lambda=0.7, class_weight=weight).double()
    criterion.center_loss.update(z.flip(0), y)
    sample_weight = torch.linspace(0, 2, 12, dtype=torch.double) if weighted else None
    inputs = logits.requires_grad_(), z.requires_grad_()
    assert torch.autograd.gradcheck(lambda *outputs: criterion(outputs, y, sample_weight), inputs)


def test_joint_loss_is_cross_entropy_plus_lambda_times_center_loss(batch):
    logits, z, y = batch
    criterion = CenterLossCriterion(4, 3, center_lambda=0.7).double()
    criterion.center_loss.update(z, y)
    expected = functional.cross_entropy(logits, y) + 0.7 * criterion.center_loss(z, y)
    torch.testing.assert_close(criterion((logits, z), y), expected)


def test_lambda_of_zero_is_cross_entropy_bit_for_bit(batch):
    logits, z, y = batch
    logits, z = logits.float().requires_grad_(), z.float().requires_grad_()
    criterion = CenterLossCriterion(4, 3, center_lambda=0)
    loss, plain = criterion((logits, z), y), functional.cross_entropy(logits, y)
    assert loss == plain
    assert torch.equal(*(torch.autograd.grad(value, logits)[0] for value in (loss, plain)))
    assert torch.autograd.grad(criterion((logits, z), y), z, allow_unused=True)[0] is None


def test_class_weights_are_those_of_torch(batch):
    logits, z, y = batch
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.double)
    criterion = CenterLossCriterion(4, 3, class_weight=weight).double()
    cross_entropy, center = criterion.parts((logits, z), y)
    torch.testing.assert_close(cross_entropy, functional.cross_entropy(logits, y, weight=weight))
    torch.testing.assert_close(center, (weight[y] * z.square().sum(1) / 2).sum() / weight[y].sum())


def test_item_of_weight_zero_counts_as_absent(batch):
    logits, z, y = batch
    criterion = CenterLossCriterion(4, 3).double()
    weight = torch.ones(12, dtype=torch.double)
    weight[5:] = 0
    with_zeros = criterion((logits, z), y, weight)
    torch.testing.assert_close(with_zeros, criterion((logits[:5], z[:5]), y[:5]))
    assert with_zeros != criterion((logits, z), y)
    assert criterion((logits, z), y, torch.zeros(12)) == 0


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_bad_parameters_are_named(alpha):
    with pytest.raises(ValueError, match=r"alpha must be a number in \[0, 1\]"):
        CenterLoss(2, 2, alpha=alpha)
    with pytest.raises(ValueError, match="center_lambda must be a number in"):
        CenterLossCriterion(2, 2, center_lambda=-1)


def test_printed_form_names_sizes_and_rate():
    assert "n_classes=4, embedding_dim=3, alpha=0.5" in repr(CenterLoss(4, 3))
