"""What the makers of fixtures share: bounds, and how a fixture is written."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

FOLDER = Path(__file__).parent / "fixtures"

# Times PyTorch's own float32 difference from its float64 run: how far anything here may be from the latter.
FACTOR = 10.0


def rounding(exact: torch.Tensor) -> torch.Tensor:
    """What is left when a right result is rounded to float32: no float32 result is nearer but by luck."""
    return exact.float().double() - exact


def max_bound(exact: torch.Tensor, single: torch.Tensor) -> float:
    """FACTOR times the largest difference of an element."""
    off = torch.maximum((single.double() - exact).abs(), rounding(exact).abs())
    return FACTOR * float(off.max()) if off.numel() else 0.0


def norm_bound(exact: torch.Tensor, singles: list[torch.Tensor]) -> float:
    """FACTOR times the largest Euclidean norm of the differences of some float32 runs."""
    return FACTOR * max(float(d.norm()) for d in [rounding(exact), *(s.double() - exact for s in singles)])


def save(name: str, tensors: dict, **told) -> None:
    """Writes fixtures/<name>.safetensors; `told` goes into its metadata, each as JSON."""
    FOLDER.mkdir(exist_ok=True)
    arrays = {k: np.ascontiguousarray(v.numpy() if isinstance(v, torch.Tensor) else v) for k, v in tensors.items()}
    told["made"] = {"torch": torch.__version__.split("+")[0], "factor": FACTOR}
    path = FOLDER / f"{name}.safetensors"
    save_file(arrays, path, {k: json.dumps(v) for k, v in told.items()})
    path.chmod(0o644)
