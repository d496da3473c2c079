"""The network for CIFAR-10 beside the same one in PyTorch, on the images of the data folder."""

import os
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.parity,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (Path(os.environ.get("NETDSL_DATA_DIR", "")) / "cifar-10-subset").is_dir(),
        reason="the images are not in the data folder",
    ),
]


def test_the_loss_is_that_of_pytorch_over_100_steps() -> None:
    from tests.parity.cifar import losses

    ours, theirs = losses(100)
    assert theirs[-1] < theirs[0] - 0.1
    np.testing.assert_allclose(ours[:3], theirs[:3], rtol=1e-5)
    assert np.abs(ours - theirs).max() < 1e-3
