"""Shared transfer layers: plain torch functions and modules, usable without the rest of medplug.

Discrepancies measure how far apart two samples of features lie. All take
``[rows, width]`` samples with any number of rows each, give a scalar to
minimise, are zero on equal samples and compute in float32 or better whatever
the samples are stored in, also under autocast. Those by kernels and by
covariances make their gradient in closed form, once: no second derivatives.
"""

from medplug.core.transfer.covariance import coral
from medplug.core.transfer.discrepancies import joint_mmd, linear_mmd, local_mmd, mmd
from medplug.core.transfer.transport import sinkhorn, sliced_wasserstein

__all__ = ["coral", "joint_mmd", "linear_mmd", "local_mmd", "mmd", "sinkhorn", "sliced_wasserstein"]
