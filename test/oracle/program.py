"""The learning rules in PyTorch, written from their papers, on the parameters that the project begins with."""

import torch
import torch.nn.functional as F

# Constants by convention: what is added to a variance, how far running statistics move, and which running variance.
BATCHNORM = {"pytorch": (1e-5, 0.1, "unbiased"), "tf1": (1e-3, 0.01, "biased")}


class HatAdam:
    """Adam as TensorFlow 1 has it: "epsilon hat" of Kingma and Ba 2015, end of section 2, is added to sqrt(v)."""

    def __init__(self, p, rate, beta1=0.9, beta2=0.999, eps=1e-8):
        self.p, self.rate, self.beta1, self.beta2, self.eps = p, rate, beta1, beta2, eps
        self.m, self.v, self.t = torch.zeros_like(p), torch.zeros_like(p), 0

    @torch.no_grad()
    def step(self):
        g = self.p.grad
        if g is None:
            return
        self.t += 1
        self.m.mul_(self.beta1).add_((1 - self.beta1) * g)
        self.v.mul_(self.beta2).add_((1 - self.beta2) * g * g)
        rate = self.rate * (1 - self.beta2**self.t) ** 0.5 / (1 - self.beta1**self.t)
        self.p.sub_(rate * self.m / (self.v.sqrt() + self.eps))


class FixedBack(torch.autograd.Function):
    """x W, whose error goes down through another matrix than W (Lillicrap et al. 2016)."""

    @staticmethod
    def forward(ctx, x, weights, back):
        ctx.save_for_backward(x, back)
        return x @ weights

    @staticmethod
    def backward(ctx, error):
        x, back = ctx.saved_tensors
        return error @ back.T, x.T @ error, None


class Program:
    """A network and the models beside it, in one type of numbers."""

    def __init__(self, options, tensors, dtype):
        self.options = options
        self.B, self.L = options["batchSize"], options["layers"]
        kept = lambda label: label.split(".")[-1] in ("runningMean", "runningVar") or label.startswith("feedback")
        self.all = {
            label: torch.tensor(x, dtype=dtype).requires_grad_(not kept(label)) for label, x in tensors.items()
        }
        self.parameters = {label: x for label, x in self.all.items() if x.requires_grad}
        self.held = {label: x for label, x in self.all.items() if not label.startswith("feedback")}
        self.optimizers = {label: self.optimizer(p) for label, p in self.parameters.items()}
        self.late = {}
        # What a step puts through its ReLUs.
        self.through_relu = []

    def optimizer(self, p):
        name, rate = self.options["optimizer"], self.options["learningRate"]
        if name == "sgd":
            return torch.optim.SGD([p], rate)
        if name == "momentum":
            return torch.optim.SGD([p], rate, momentum=0.9)
        return HatAdam(p, rate) if self.options["conventions"] == "tf1" else torch.optim.Adam([p], rate)

    # The network

    def normalise(self, name, z, training):
        eps, momentum, variance = BATCHNORM[self.options["conventions"]]
        mean, var, gamma, beta = (self.all[f"{name}.{k}"] for k in ["runningMean", "runningVar", "gamma", "beta"])
        if not training or variance == "unbiased":
            return F.batch_norm(z, mean, var, gamma, beta, training, momentum, eps)
        with torch.no_grad():
            mean.add_(momentum * (z.mean(0) - mean))
            var.add_(momentum * (z.var(0, unbiased=False) - var))
        return F.batch_norm(z, None, None, gamma, beta, True, momentum, eps)

    def block(self, name, x, labels=None, training=True, back=None):
        """Linear, batch norm, ReLU; conditioned on labels by a row of weights for each."""
        weights = self.all[f"{name}.W"]
        z = x @ weights if back is None else FixedBack.apply(x, weights, back)
        if labels is not None:
            z = z + self.all[f"{name}.U"][labels]
        n = self.normalise(name, z, training)
        if training:
            self.through_relu.append(n.detach().flatten())
        return torch.relu(n)

    def linear(self, name, x, back=None):
        weights = self.all[f"{name}.W"]
        return (x @ weights if back is None else FixedBack.apply(x, weights, back)) + self.all[f"{name}.bias"]

    def top(self, x, back=None):
        return self.linear(f"layer{self.L}", x, back)

    @property
    def hidden(self):
        return range(1, self.L)

    @torch.no_grad()
    def evaluate(self, x):
        for i in self.hidden:
            x = self.block(f"layer{i}", x, training=False)
        return self.top(x)

    # The rules: each leaves the gradient of the batch mean at its parameters, and returns the loss.

    def bp(self, x, y):
        for i in self.hidden:
            x = self.block(f"layer{i}", x)
        loss = F.cross_entropy(self.top(x), y)
        loss.backward()
        return loss

    def fa(self, x, y):
        """Feedback alignment: as bp, with fixed matrices on the way down."""
        for i in self.hidden:
            x = self.block(f"layer{i}", x, back=self.all[f"feedback{i}"] if i > 1 else None)
        loss = F.cross_entropy(self.top(x, self.all[f"feedback{self.L}"]), y)
        loss.backward()
        return loss

    def dfa(self, x, y):
        """Direct feedback alignment (Nokland 2016): the output's error goes straight to each layer."""
        outputs = []
        for i in self.hidden:
            outputs.append(self.block(f"layer{i}", x))
            x = outputs[-1].detach()
        logits = self.top(x)
        logits.retain_grad()
        loss = F.cross_entropy(logits, y)
        loss.backward()
        for i, h in zip(self.hidden, outputs):
            h.backward(logits.grad @ self.all[f"feedback{i}"])
        return loss

    def dgl(self, x, y):
        """Decoupled greedy learning (Belilovsky et al. 2020): a classifier and a loss for each layer, detached between."""
        for i in self.hidden:
            h = self.block(f"layer{i}", x)
            F.cross_entropy(self.linear(f"head{i}", h), y).backward()
            x = h.detach()
        loss = F.cross_entropy(self.top(x), y)
        loss.backward()
        return loss

    def predict(self, i, h, y):
        """Synthetic gradient i of each sample's own loss by h (Jaderberg et al. 2016)."""
        name, k = f"sg{i}", 1
        while f"{name}.hidden{k}.W" in self.all:
            conditioned = f"{name}.hidden{k}.U" in self.all
            h = self.block(f"{name}.hidden{k}", h, y if conditioned else None)
            k += 1
        s = h @ self.all[f"{name}.V"] + self.all[f"{name}.c"]
        return s + self.all[f"{name}.U"][y] if f"{name}.U" in self.all else s

    def decoupled(self, x, y, inputs=None):
        """
        Synthetic gradients. A layer's input is a leaf: nothing goes down but what is sent. What arrives there is the
        target of the predictor below. BP(lambda), section 2 of Jaderberg et al.: what a layer learns from, and passes on,
        is lambda of what came from above and the rest of its own prediction. `inputs`: models of the layers' inputs.
        """
        lam = self.options.get("lambda") or 0
        leaves, outputs, predictions = {}, {}, {}
        below = x
        for i in [*self.hidden, self.L]:
            leaves[i] = below.detach().requires_grad_()
            if i == self.L:
                break
            outputs[i] = self.block(f"layer{i}", leaves[i])
            predictions[i] = self.predict(i, outputs[i].detach(), y)
            below = outputs[i] if inputs is None else inputs[i]
        loss = F.cross_entropy(self.top(leaves[self.L]), y)
        loss.backward()
        for i in reversed(self.hidden):
            target = leaves[i + 1].grad * self.B
            sent = lam * target + (1 - lam) * predictions[i].detach() if lam > 0 else predictions[i].detach()
            outputs[i].backward(sent / self.B)
            ((predictions[i] - target) ** 2).sum(1).mean().backward()
        return loss, outputs

    def synthetic(self, x, y):
        return self.decoupled(x, y)[0]

    def unlocked(self, x, y):
        """Complete unlock: each layer's input is synthesised from x, by a model that learns from what really came."""
        inputs = {i: self.linear(f"input{i}", x) for i in self.hidden}
        loss, outputs = self.decoupled(x, y, inputs)
        for i in self.hidden:
            ((inputs[i] - outputs[i].detach()) ** 2).sum(1).mean().backward()
        return loss

    def step(self, x, y):
        """One step; returns the loss and the gradients, as sums over the batch."""
        rule = {"delayed-bp": "bp", "cdni": "synthetic", "dni": "synthetic", "bisong": "synthetic"}
        name = self.options["rule"]
        self.through_relu.clear()
        for p in self.parameters.values():
            p.grad = None
        loss = getattr(self, rule.get(name, name))(x, y)
        gradients = {label: self.B * p.grad for label, p in self.parameters.items()}
        if name == "delayed-bp":
            self.delay()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return loss.detach(), gradients

    def delay(self):
        """Each layer's gradient comes late, by so many steps for each layer above; before that there is none."""
        for label, p in self.parameters.items():
            layer = int(label.split(".")[0].removeprefix("layer"))
            queue = self.late.setdefault(label, [])
            queue.append(p.grad)
            delay = self.options["delayPerLayer"] * (self.L - layer)
            p.grad = queue.pop(0) if len(queue) > delay else None
