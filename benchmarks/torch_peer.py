"""PyTorch: eager, eager with images channels-last, and compiled, on a device into CUDA graphs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from benchmarks.torch_networks import network
from benchmarks.workloads import Workload


class Peer:
    """A workload's training, as PyTorch runs it."""

    def __init__(
        self, form: str, workload: Workload, start: Mapping[str, Any], rows: Mapping[str, Any], rate: float,
        threads: int, device: str = "cpu", precision: str = "float32",
    ) -> None:  # fmt: skip
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        if device != "cpu":
            set_up(precision)
        self.workload, self.form, self.device = workload, form, device
        self.model = network(workload.name, start, rate).to(device)
        self.x = torch.from_numpy(laid_out(rows["x"])).to(device)
        self.t = torch.from_numpy(rows["t"]).to(device)
        if self.t.dtype == torch.int32:
            self.t = self.t.long()
        if workload.cost == "mse":
            self.t = F.one_hot(self.t, 10).float()
        elif workload.cost == "binary_cross_entropy":
            self.t = self.t.float()[:, None]
        if form == "channels-last":
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.matrices = [each.weight for each in self.model.modules() if isinstance(each, torch.nn.Linear)]
        self.optimizer = self._optimizer()
        self.graphs = form == "compiled" and device != "cpu"
        mode = "reduce-overhead" if self.graphs else None
        cost = self._rounded_cost if device != "cpu" and precision == "bf16" else self._cost
        self.cost = torch.compile(cost, mode=mode) if form == "compiled" else cost

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        found = []
        for batch in torch.tensor(order, device=self.device).split(self.workload.batch):
            if self.graphs:
                torch.compiler.cudagraph_mark_step_begin()
            self.optimizer.zero_grad()
            loss, objective = self.cost(self.x[batch], self.t[batch])
            objective.backward()
            self.optimizer.step()
            # The next step writes over what a graph returned.
            found.append(loss.detach().clone() if self.graphs else loss.detach())
        return torch.stack(found).cpu().numpy()

    def infer(self, order: np.ndarray, batch: int) -> np.ndarray:
        """Return the outputs of rows, so many at a time."""
        self.model.eval()
        model = self._compiled_model() if self.form == "compiled" else self.model
        with torch.inference_mode():
            return (
                torch.cat([model(self.x[each]).softmax(-1) for each in torch.tensor(order).split(batch)])
                .cpu()
                .numpy()
            )

    def _compiled_model(self) -> Any:
        if not hasattr(self, "_model"):
            self._model = torch.compile(self.model)
        return self._model

    def _optimizer(self) -> torch.optim.Optimizer:
        parameters = [each for each in self.model.parameters() if each.requires_grad]
        if self.workload.optimizer == "adam":
            return torch.optim.Adam(parameters, lr=self.workload.lr, fused=True)
        mu = 0.9 if self.workload.optimizer == "momentum" else 0.0
        return torch.optim.SGD(parameters, lr=self.workload.lr, momentum=mu, fused=True)

    def _rounded_cost(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device, torch.bfloat16):
            return self._cost(x, t)

    def _cost(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        y = self.model(x)
        match self.workload.cost:
            case "cross_entropy":
                loss = F.cross_entropy(y.flatten(0, -2), t.flatten())
            case "mse":
                loss = F.mse_loss(y, t)
            case "binary_cross_entropy":
                loss = F.binary_cross_entropy_with_logits(y, t)
            case "patient":
                r = y - t
                q = r**2
                loss = (torch.log(1 + q) + 0.5 * torch.tanh(q / (1 + r.abs()))).mean()
        if not self.workload.l1:
            return loss, loss
        return loss, loss + self.workload.l1 * sum(each.abs().sum() for each in self.matrices)


def epoch(x: np.ndarray, t: np.ndarray, x_valid: np.ndarray, t_valid: np.ndarray) -> float:
    """Train W1's network for an epoch, as a tutorial does; return the loss on other rows."""
    from benchmarks.workloads import WORKLOADS

    draw = np.random.default_rng(1)
    sizes = [784, 512, 256, 10]
    start = {}
    for number, (rows, columns) in enumerate(pairwise(sizes), 1):
        start[f"mlp/dense_{number}/w"] = (draw.normal(size=(rows, columns)) * (2 / rows) ** 0.5).astype(
            np.float32
        )
        start[f"mlp/dense_{number}/b"] = np.zeros(columns, np.float32)
    workload = WORKLOADS["w1"]
    peer = Peer("eager", workload, start, {"x": x, "t": t}, workload.dropout, torch.get_num_threads())
    peer.run(draw.permutation(len(x)))
    peer.model.eval()
    with torch.inference_mode():
        return float(F.cross_entropy(peer.model(torch.from_numpy(x_valid)), torch.from_numpy(t_valid)))


def set_up(precision: str) -> None:
    """Let products and convolutions on a device have a precision, and choose the fastest."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def laid_out(x: np.ndarray) -> np.ndarray:
    """Return images with their channels first; anything else as it is."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x
