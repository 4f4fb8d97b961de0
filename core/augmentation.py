"""What changes training batches at random: what a task gives for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from medplug.core.backbone import Inputs


class Augmentation(Protocol):
    """Random changes of training batches, made on the training device.

    `mixes`: rows are blended with each other, and their labels with them.
    """

    mixes: bool

    def changed(self, inputs: Inputs, labels: Tensor, labelled: Tensor, sources: Tensor) -> tuple[Inputs, Tensor]:
        """One collated batch and its labels, changed.

        `labels` are masks ``[batch, height, width]``, which move with their images, or
        class shares ``[batch, outputs]`` (encoded labels where it does not mix); those
        of rows that are not `labelled` (bool ``[batch]``) mean nothing. `sources`
        (bool ``[batch]``) says which rows are of the source domain.
        """
