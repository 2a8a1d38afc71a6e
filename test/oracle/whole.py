"""Whole runs: 200 steps of backpropagation, 50 of the other rules, in float64 and, for the bounds, in float32."""

import base64
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from fixture import FACTOR, norm_bound, rounding, save
from program import Program

ROOT = Path(__file__).parents[2]

# Larger tensors are kept in part: every so many elements, which is prime to the width of a row.
WHOLE, STRIDE = 512, 7

# A ReLU whose input is as near to zero as rounding opens in one run and stays shut in another, which says nothing about
# either and parts them by more than all rounding. Of so many seeds, a run has the one that keeps farthest from that.
SEEDS = 10


def inputs() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inputs.json"
        subprocess.run(["node", "--import", "tsx", "test/oracle/dump.ts", str(path), str(SEEDS)], cwd=ROOT, check=True)
        return json.loads(path.read_text())


def array(text: str, dtype, shape=(-1,)) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape).copy()


def digest(x: np.ndarray) -> str:
    return hashlib.sha256(x.tobytes()).hexdigest()[:16]


def sampled(x: torch.Tensor) -> torch.Tensor:
    flat = x.detach().flatten().clone()
    return flat if flat.numel() <= WHOLE else flat[::STRIDE].clone()


def run(options, start, train, test, rows, dtype, order):
    """All that is compared of one run, whose batches have their samples in one order or another."""
    program = Program(options, start, dtype)
    images = lambda part: torch.from_numpy(part[0]).to(dtype) / 255
    labels = lambda part: torch.from_numpy(part[1].astype(np.int64))
    x, y = images(train), labels(train)
    losses, found, through_relu = [], {}, []
    for t, batch in enumerate(rows):
        picked = torch.from_numpy(batch.astype(np.int64))[order]
        loss, gradients = program.step(x[picked], y[picked])
        losses.append(loss)
        through_relu.append(torch.cat(program.through_relu))
        if t == 0:
            found.update({f"gradient/{label}": sampled(g) for label, g in gradients.items()})
    found.update({f"end/{label}": sampled(p) for label, p in program.held.items()})
    logits, right = program.evaluate(images(test)), labels(test)
    # As one more point of the curve.
    losses.append(F.cross_entropy(logits, right))
    return torch.stack(losses), found, logits, through_relu


def margin(exact: list[torch.Tensor], single: list[torch.Tensor]) -> float:
    """How near a ReLU's input comes to zero in any step, over the root mean square of what float32 does to them."""
    return min(float(n.abs().min() / (s.double() - n).square().mean().sqrt()) for n, s in zip(exact, single))


def zero_gradients(options) -> list[str]:
    """
    Parameters with a gradient that is exactly 0 at some step, so that float32 has rounding alone, of which Adam makes full
    steps: the bias of every predictor whose target comes from a batch norm, and so adds up to 0 over the batch, when it
    first learns.
    """
    if options["rule"] in ("cdni", "dni", "bisong", "unlocked"):
        return [f"sg{i}.c" for i in range(1, options["layers"] - 1)]
    return []


def make() -> None:
    told = inputs()
    part = lambda p: (array(p["values"], np.uint8, p["shape"]), array(p["labels"], np.uint8))
    train, test = part(told["train"]), part(told["test"])
    straight = torch.arange(next(iter(told["runs"].values()))[0]["options"]["batchSize"])
    orders = [straight, straight.flip(0), torch.from_numpy(np.random.default_rng(7).permutation(len(straight)))]
    for name, seeds in told["runs"].items():
        tried = []
        for each in seeds:
            options = each["options"]
            start = {k: array(t["values"], np.float32, t["shape"]) for k, t in each["tensors"].items()}
            rows = array(each["rows"], np.uint32, (-1, len(straight)))
            both = (options, start, train, test, rows)
            exact, single = (run(*both, dtype, straight) for dtype in [torch.float64, torch.float32])
            tried.append((margin(exact[3], single[3]), options["seed"], both, exact, single))
        far, seed, both, (losses, exact, logits, _), single = max(tried, key=lambda t: t[0])
        options, start, _, _, rows = both
        singles = [single, *(run(*both, torch.float32, order) for order in orders[1:])]
        # A difference may be small by luck at one step: it counts as the largest up to there.
        off = torch.stack([rounding(losses).abs(), *((s[0].double() - losses).abs() for s in singles)]).amax(0)
        tensors = {"losses": losses, "losses.bound": FACTOR * off.cummax(0).values}
        left_out = zero_gradients(options)
        bounds = {}
        for label, x in exact.items():
            if label.partition("/")[2] in left_out:
                continue
            tensors[label] = x
            bounds[label] = norm_bound(x, [s[1][label] for s in singles])
        # Samples are classified as in float64 where no logit can make up for the lead of the best, or its lag.
        tie = FACTOR * max(float((s[2].double() - logits).abs().max()) for s in singles)
        own = logits.gather(1, torch.from_numpy(test[1].astype(np.int64))[:, None])[:, 0]
        others = logits.scatter(1, torch.from_numpy(test[1].astype(np.int64))[:, None], -torch.inf).amax(1)
        lead = own - others
        correct = [int((lead > 2 * tie).sum()), int((lead >= -2 * tie).sum())]
        save(
            name,
            tensors,
            run=options,
            bounds=bounds,
            sampled={"whole": WHOLE, "stride": STRIDE},
            begin={**{k: digest(x) for k, x in start.items()}, "rows": digest(rows)},
            leftOut=left_out,
            correct=correct,
        )
        print(f"{name}: seed {seed}, margin {far:.1f}, loss {losses[0]:.4f} to {losses[-1]:.4f}, bound", tensors["losses.bound"][-1])
