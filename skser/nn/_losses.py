"""Center loss, and the criterion that adds it to cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._utils import check_number


class CenterLoss(nn.Module):
    r"""Half the mean squared distance of embeddings to the center of their class.

    After Wen et al. [1]_: :math:`L_C = \frac{1}{2m} \sum_i \|z_i - c_{y_i}\|^2` over the m items of a
    batch. The centers are not parameters of an optimizer: `update` moves them by

    .. math:: c_j \leftarrow c_j - \alpha \frac{\sum_{i: y_i = j} (c_j - z_i)}{1 + n_j}

    where n_j items of the batch are of class j. Centers of classes that are not in the batch do not move.

    Parameters
    ----------
    n_classes : int
        Number of classes, 1 or more.
    embedding_dim : int
        Size of the embeddings, 1 or more.
    alpha : float, default=0.5
        Learning rate of the centers, in [0, 1]. At 0 they do not move.

    Attributes
    ----------
    centers : Tensor of shape (n_classes, embedding_dim)
        The centers, a buffer that starts at zero.

    References
    ----------
    .. [1] Wen, Zhang, Li and Qiao, "A discriminative feature learning approach for deep face
       recognition", ECCV 2016, equations 2 to 4.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import CenterLoss
    >>> center_loss = CenterLoss(n_classes=2, embedding_dim=2, alpha=0.5)
    >>> z, y = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([0, 0])
    >>> float(center_loss(z, y))
    6.5
    >>> center_loss.update(z, y)
    >>> center_loss.centers
    tensor([[0.6667, 0.6667],
            [0.0000, 0.0000]])
    """

    centers: Tensor

    def __init__(self, n_classes: int, embedding_dim: int, alpha: float = 0.5) -> None:
        super().__init__()
        check_number("n_classes", n_classes, integer=True, low=1)
        check_number("embedding_dim", embedding_dim, integer=True, low=1)
        check_number("alpha", alpha, low=0, high=1)
        self.alpha = alpha
        self.register_buffer("centers", torch.zeros(n_classes, embedding_dim))

    def forward(self, embedding: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        embedding : Tensor of shape (batch, embedding_dim)
            Embeddings z.
        y : Tensor of shape (batch,)
            Class numbers.
        weight : Tensor of shape (batch,), default=None
            Weights of the items, at least 0.

        Returns
        -------
        Tensor
            The loss, a scalar: the weighted mean over the batch.
        """
        to_centers = self.centers.to(embedding.dtype)[y] - embedding
        return _weighted_mean(to_centers.square().sum(dim=1) / 2, weight)

    @torch.no_grad()
    def update(self, embedding: Tensor, y: Tensor) -> None:
        """Move the centers toward the embeddings of a batch, in place.

        Call it after the backward pass, with the embeddings from which the loss was computed.

        Parameters
        ----------
        embedding : Tensor of shape (batch, embedding_dim)
            Embeddings z.
        y : Tensor of shape (batch,)
            Class numbers.
        """
        # A product with one-hot labels always adds in the same order; on a GPU, index_add_ would not.
        member = functional.one_hot(y, len(self.centers)).to(self.centers.dtype)  # (batch, n_classes)
        to_centers = self.centers[y] - embedding.detach().to(self.centers.dtype)
        self.centers -= self.alpha * (member.T @ to_centers) / (1 + member.sum(dim=0))[:, None]

    def extra_repr(self) -> str:
        """Describe the module in its printed form.

        Returns
        -------
        str
            The sizes and the rate.
        """
        n_classes, embedding_dim = self.centers.shape
        return f"n_classes={n_classes}, embedding_dim={embedding_dim}, alpha={self.alpha}"


class CenterLossCriterion(nn.Module):
    r"""Cross-entropy plus center loss: :math:`L = L_S + \lambda L_C`.

    After Dai et al. [1]_. With weights, both losses are weighted means over the batch; the weight of an
    item is its class weight times its sample weight, as in torch's cross-entropy.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    embedding_dim : int
        Size of the embeddings.
    center_lambda : float, default=0.3
        Weight of the center loss, at least 0. At 0 the gradient is that of cross-entropy, bit for bit;
        `CenterLoss.update` still moves the centers.
    center_alpha : float, default=0.5
        Learning rate of the centers, in [0, 1].
    class_weight : Tensor of shape (n_classes,), default=None
        Weights of the classes.

    Attributes
    ----------
    center_loss : CenterLoss
        The center loss with its centers.

    References
    ----------
    .. [1] Dai, Wu, Li, Wu, Jia and Meng, "Learning discriminative features from spectrograms using
       center loss for speech emotion recognition", ICASSP 2019.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import CenterLossCriterion
    >>> criterion = CenterLossCriterion(n_classes=2, embedding_dim=1, center_lambda=0.5)
    >>> logits, z, y = torch.zeros(2, 2), torch.tensor([[2.0], [0.0]]), torch.tensor([0, 1])
    >>> cross_entropy, center = criterion.parts((logits, z), y)
    >>> joint = criterion((logits, z), y)
    >>> float(center), bool(joint == cross_entropy + 0.5 * center)
    (1.0, True)
    """

    class_weight: Tensor | None

    def __init__(
        self,
        n_classes: int,
        embedding_dim: int,
        center_lambda: float = 0.3,
        center_alpha: float = 0.5,
        class_weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        check_number("center_lambda", center_lambda, low=0)
        self.center_lambda = center_lambda
        self.center_loss = CenterLoss(n_classes, embedding_dim, alpha=center_alpha)
        self.register_buffer("class_weight", class_weight)

    def forward(
        self, outputs: tuple[Tensor, Tensor], y: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the joint loss.

        Parameters
        ----------
        outputs : tuple of Tensor
            Logits (batch, n_classes) and embeddings (batch, embedding_dim).
        y : Tensor of shape (batch,)
            Class numbers.
        sample_weight : Tensor of shape (batch,), default=None
            Weights of the items, at least 0.

        Returns
        -------
        Tensor
            The loss, a scalar.
        """
        return self.join(*self.parts(outputs, y, sample_weight))

    def join(self, cross_entropy: Tensor, center: Tensor) -> Tensor:
        """Add the two losses.

        Parameters
        ----------
        cross_entropy, center : Tensor
            The two results of `parts`.

        Returns
        -------
        Tensor
            The joint loss, a scalar.
        """
        return cross_entropy + self.center_lambda * center if self.center_lambda else cross_entropy

    def parts(
        self, outputs: tuple[Tensor, Tensor], y: Tensor, sample_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the two losses separately.

        Parameters
        ----------
        outputs : tuple of Tensor
            Logits (batch, n_classes) and embeddings (batch, embedding_dim).
        y : Tensor of shape (batch,)
            Class numbers.
        sample_weight : Tensor of shape (batch,), default=None
            Weights of the items, at least 0.

        Returns
        -------
        cross_entropy : Tensor
            Cross-entropy, a scalar.
        center : Tensor
            Center loss, a scalar, not multiplied by lambda.
        """
        logits, embedding = outputs
        weight = self._item_weight(y, sample_weight)
        if weight is None:
            cross_entropy = functional.cross_entropy(logits, y)
        else:
            cross_entropy = _weighted_mean(functional.cross_entropy(logits, y, reduction="none"), weight)
        return cross_entropy, self.center_loss(embedding, y, weight)

    def _item_weight(self, y: Tensor, sample_weight: Tensor | None) -> Tensor | None:
        """Multiply the weight of each item's class by that of the item."""
        if self.class_weight is None:
            return sample_weight
        of_class = self.class_weight[y]
        return of_class if sample_weight is None else sample_weight * of_class


def _weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Average over the batch; a batch whose weights are all about zero has the loss zero."""
    if weight is None:
        return values.mean()
    weight = weight.to(values.dtype)
    total = weight.sum()
    # The inverse of a smaller number would be infinite.
    return (values * weight).sum() / torch.where(total >= torch.finfo(total.dtype).tiny, total, 1.0)
