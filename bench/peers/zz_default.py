"""Peer: PyTorch, on a CUDA device where it finds one, else on the CPU.

The network is nn.Linear (no bias), nn.BatchNorm1d, nn.ReLU for each hidden layer, and nn.Linear; running statistics are
kept, as nn.BatchNorm1d does. The data are resident as bytes, gathered and scaled in the step; the table of batches is
resident too, and nothing is read back before the last loss. Adam is fused (one kernel for all parameters) and, on CUDA,
capturable. Plain float32: torch.set_float32_matmul_precision('highest'), which means allow_tf32 = False; the variants
ending in -tf32 say 'high' (allow_tf32 = True) and are another precision.

Variants, each also with -tf32 behind it on CUDA:
  eager          operation by operation
  compile        torch.compile of gather, network and loss (max-autotune; on CUDA with its own CUDA graphs), fused Adam
  graph          CUDA only: whole steps, gather, backward pass and Adam included, captured in a CUDA graph
  compile-graph  CUDA only: the same, with gather, network and loss compiled (max-autotune-no-cudagraphs)

A captured graph holds 8 steps, so that launching it is nothing beside running it.
"""

from serve import GiveUp, missing, parameter_shapes, read_bytes, serve

try:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
except ImportError:
    torch = None

STEPS_IN_GRAPH = 8
WARM_UP = 3


def fused_adam(parameters, job, cuda):
    """Adam in its fastest form that this version has for the device."""
    adam = job["adam"]
    options = {"lr": adam["learningRate"], "betas": (adam["beta1"], adam["beta2"]), "eps": adam["eps"]}
    if cuda:
        return torch.optim.Adam(parameters, **options, fused=True, capturable=True), "fused Adam"
    try:
        return torch.optim.Adam(parameters, **options, fused=True), "fused Adam"
    except (RuntimeError, TypeError):  # Older versions have it on CUDA only.
        return torch.optim.Adam(parameters, **options, foreach=True), "foreach Adam"


class Loss(nn.Module if torch else object):
    """From the rows of a batch to its mean loss. The data are buffers, so that compiled code takes them where they are."""

    def __init__(self, job, device):
        super().__init__()

        def tensor(name, dtype):
            return torch.frombuffer(read_bytes(job["files"][name]), dtype=dtype)

        shape, norm = job["shape"], job["batchnorm"]
        images = tensor("images", torch.uint8).view(job["samples"], shape["inputs"])
        self.register_buffer("images", images)
        self.register_buffer("labels", tensor("labels", torch.uint8).to(torch.int64))
        self.scale = job["scale"]
        width, layers = shape["inputs"], []
        for _ in range(shape["layers"] - 1):
            batchnorm = nn.BatchNorm1d(shape["hidden"], eps=norm["eps"], momentum=norm["momentum"])
            layers += [nn.Linear(width, shape["hidden"], bias=False), batchnorm, nn.ReLU()]
            width = shape["hidden"]
        self.net = nn.Sequential(*layers, nn.Linear(width, shape["classes"]))
        self.to(device)
        values, at = tensor("parameters", torch.float32), 0
        self.initial = []
        for sizes in parameter_shapes(job):
            size = torch.Size(sizes).numel()
            value = values[at : at + size].view(sizes)
            # nn.Linear keeps its weights as (out, in).
            self.initial.append((value.t() if value.dim() == 2 else value).contiguous().to(device))
            at += size

    def forward(self, rows):
        x = self.images.index_select(0, rows).to(torch.float32) * self.scale
        return cross_entropy(self.net(x), self.labels.index_select(0, rows))

    def restart(self):
        """The parameters as the job has them, and no running statistics."""
        with torch.no_grad():
            for parameter, value in zip(self.net.parameters(), self.initial):
                parameter.copy_(value)
        for layer in self.net:
            if isinstance(layer, nn.BatchNorm1d):
                layer.reset_running_stats()


class Peer:
    def __init__(self, job):
        variant = job["variant"]
        self.tf32 = variant.endswith("-tf32")
        self.form = variant.removesuffix("-tf32")
        cuda = torch.cuda.is_available()
        if self.tf32 and not cuda:
            raise GiveUp("TF32 is a precision of CUDA devices, and this PyTorch sees none")
        if self.form.endswith("graph") and not cuda:
            raise GiveUp("a CUDA graph needs a CUDA device, and this PyTorch sees none")
        if self.form.startswith("compile") and not hasattr(torch, "compile"):
            raise GiveUp(f"PyTorch {torch.__version__} has no torch.compile")
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        self.device = torch.device("cuda" if cuda else "cpu")
        self.model = Loss(job, self.device)
        self.optimizer, adam = fused_adam(list(self.model.parameters()), job, cuda)
        rows = torch.frombuffer(read_bytes(job["files"]["rows"]), dtype=torch.int32)
        self.rows = rows.view(job["table"], job["batch"]).to(device=self.device, dtype=torch.int64)
        if self.form.endswith("graph"):
            compiled = self.form == "compile-graph"
            self.capture(torch.compile(self.model, mode="max-autotune-no-cudagraphs") if compiled else self.model)
        else:
            self.unit = 1
            compiled = self.form == "compile"
            self.forward = torch.compile(self.model, mode="default") if compiled else self.model
            for _ in range(WARM_UP):
                self.eager_step(self.rows[0])
        self.restart()
        where = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"
        self.about = {
            "version": f"PyTorch {torch.__version__}",
            "device": where,
            "form": f"{self.form}, {adam}, {'TF32' if self.tf32 else 'plain float32'}",
        }

    def restart(self):
        """Puts everything in place as it was before the first step: the warm-up has trained."""
        self.model.restart()
        for state in self.optimizer.state.values():
            for moment in state.values():
                moment.zero_()
        self.done = 0

    def eager_step(self, rows):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.forward(rows)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def capture(self, forward):
        self.unit = STEPS_IN_GRAPH
        self.forward = forward
        self.static_rows = self.rows[: self.unit].clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.eager_step(self.static_rows[0])
        torch.cuda.current_stream().wait_stream(side)
        # Their memory must be the graph's own.
        self.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.static_losses = [self.eager_step(rows) for rows in self.static_rows]

    def replay(self):
        first = self.done % len(self.rows)
        self.static_rows.copy_(self.rows[first : first + self.unit])
        self.graph.replay()
        self.done += self.unit
        return self.static_losses

    def step(self):
        loss = self.eager_step(self.rows[self.done % len(self.rows)])
        self.done += 1
        return loss

    def losses(self, count):
        if self.unit == 1:
            return [self.step().item() for _ in range(count)]
        return [loss.item() for _ in range(count // self.unit) for loss in self.replay()]

    def run(self, count):
        for _ in range(count // self.unit):
            last = self.step() if self.unit == 1 else self.replay()[-1]
        return last.item()


def set_up(job):
    if torch is None:
        raise GiveUp(missing("torch"))
    return Peer(job)


if __name__ == "__main__":
    serve(set_up)
