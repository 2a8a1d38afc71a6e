"""Single operators at awkward shapes: inputs in float32, results of PyTorch in float64, and how far float32 takes it."""

import numpy as np
import torch
import torch.nn.functional as F

from fixture import max_bound, save

rng = np.random.default_rng(11)
tensors: dict[str, object] = {}
cases: list[dict] = []


def normals(*shape: int, size: float = 1.0) -> torch.Tensor:
    return torch.from_numpy((size * rng.standard_normal(shape)).astype(np.float32))


def below(n: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, n, shape).astype(np.int64))


def case(name: str, chain: list, params: dict, inputs: dict, run, twin: str = "float64") -> None:
    """
    One case. `chain` has the kernels that run one after the other on buffers of these names, each with its other forms;
    `run(dtype, inputs)` gives PyTorch's results by the names of the buffers that hold them in the end. `twin` says which
    of PyTorch's differences bounds the twin: of float64 (by its unit roundoff that of float32 divided by 2^29), or, where
    the twin rounds numbers as a device does, of float32.
    """

    def in_type(dtype):
        return {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}

    exact, single = run(torch.float64, in_type(torch.float64)), run(torch.float32, in_type(torch.float32))
    bounds = {}
    for key, value in inputs.items():
        array = value.numpy()
        tensors[f"{name}/in/{key}"] = array if value.is_floating_point() else array.astype(np.uint32)
    for key, value in exact.items():
        value = value.detach()
        whole = not value.is_floating_point()
        tensors[f"{name}/out/{key}"] = value.numpy().astype(np.uint32) if whole else value
        bounds[key] = max_bound(value.double(), single[key].detach())
    cases.append({"name": name, "chain": chain, "params": params, "bounds": bounds, "twin": twin})


def products() -> None:
    for M, K, N in [(1, 1, 1), (7, 1, 33), (33, 31, 34), (9, 129, 5), (65, 10, 3)]:
        a, b = normals(M * K), normals(K * N)
        shape = {"M": M, "K": K, "N": N}
        of = f"M {M}, K {K}, N {N}"
        nn = ["matmul_nn", "matmul_nn_cpu", "matmul_naive", "matmul_tiled"]
        case(f"matmul nn, {of}", [nn], shape, {"a": a, "b": b}, lambda _, t: {"c": t["a"].view(M, K) @ t["b"].view(K, N)})
        nt = ["matmul_nt", "matmul_nt_cpu"]
        case(f"matmul nt, {of}", [nt], shape, {"a": a, "b": b}, lambda _, t: {"c": t["a"].view(M, K) @ t["b"].view(N, K).T})
        tn = ["matmul_tn", "matmul_tn_cpu"]
        case(f"matmul tn, {of}", [tn], shape, {"a": a, "b": b}, lambda _, t: {"c": t["a"].view(K, M).T @ t["b"].view(K, N)})
    M, K, N = 13, 12, 36
    quads = ["matmul_vec4", "matmul_block8", "matmul_prefetch", "matmul_split", "matmul_vec4_cpu"]
    inputs = {"a": normals(M, K), "b": normals(K, N)}
    case("matmul nn, in quads", [quads], {"M": M, "K": K, "N": N}, inputs, lambda _, t: {"c": t["a"] @ t["b"]})


def rows_grad(C: int, W: int):
    def run(dtype, t):
        rows = torch.zeros(C, W, dtype=dtype, requires_grad=True)
        F.embedding(t["labels"], rows).backward(t["dY"])
        return {"dRows": rows.grad}

    return run


def elements() -> None:
    for B, W in [(1, 1), (11, 19), (257, 3)]:
        shape = {"B": B, "F": W}
        of = f"B {B}, F {W}"
        x, bias = normals(B, W), normals(W)
        case(f"bias, {of}", [["bias_add"]], shape, {"x": x, "bias": bias}, lambda _, t: {"y": t["x"] + t["bias"]})
        case(f"column sum, {of}", [["column_sum", "column_sum_cpu"]], shape, {"x": x}, lambda _, t: {"total": t["x"].sum(0)})
        C = 5
        labels, rows = below(C, B), normals(C, W)
        conditioned = {"x": x, "rows": rows, "bias": bias, "labels": labels}
        case(
            f"label rows, {of}",
            [["label_rows_add"]],
            shape,
            conditioned,
            lambda dtype, t: {"y": t["x"] + F.linear(F.one_hot(t["labels"], C).to(dtype), t["rows"].T, t["bias"])},
        )
        case(
            f"label rows' gradient, {of}",
            [["label_rows_grad"]],
            {**shape, "C": C},
            {"dY": x, "labels": labels},
            rows_grad(C, W),
        )

    def through(function):
        def run(_, t):
            x = t["x"].clone().requires_grad_()
            y = function(x)
            y.backward(t["dY"])
            return {"y": y, "dX": x.grad}

        return run

    x = normals(131, size=3)
    x[:4] = torch.tensor([0.0, -0.0, 1e-30, -1e-30])
    dY = normals(131)
    case("relu", [["relu_forward"], ["relu_backward"]], {"n": 131}, {"x": x, "dY": dY}, through(torch.relu))
    # Up to where exp(-x) alone would overflow float32.
    for size in [1, 10, 60]:
        wide = normals(67, size=size)
        both = [["sigmoid_forward"], ["sigmoid_backward"]]
        case(f"sigmoid, size {size}", both, {"n": 67}, {"x": wide, "dY": normals(67)}, through(torch.sigmoid))

    def squared(_, t):
        prediction = t["prediction"].clone().requires_grad_()
        F.mse_loss(prediction, t["goal"], reduction="sum").backward()
        return {"dPrediction": prediction.grad}

    pair = {"prediction": normals(131), "goal": normals(131)}
    case("squared error", [["squared_error_grad"]], {"n": 131}, pair, squared)
    for weight in [0.0, 0.3, 1.0]:
        two = {"a": normals(131), "b": normals(131)}
        lerp = lambda _, t: {"y": torch.lerp(t["b"], t["a"], weight)}
        case(f"mix, lambda {weight}", [["mix"]], {"n": 131, "lambda": weight}, two, lerp)


def gathers() -> None:
    for B, width in [(1, 1), (5, 6), (3, 13)]:
        samples, words, step = 9, -(-width // 4), 1
        pixels = rng.integers(0, 256, (samples, 4 * words)).astype(np.uint8)
        rows, row = below(samples, 3 * B), torch.tensor([step])
        picked = rows[step * B : (step + 1) * B]
        of = f"B {B}, I {width}"
        packed = torch.from_numpy(pixels.view("<u4").astype(np.int64))
        case(
            f"gather bytes, {of}",
            [["gather_bytes"]],
            {"B": B, "I": width, "words": words, "scale": 1 / 255},
            {"bytes": packed, "rows": rows, "step": row},
            lambda dtype, _: {"x": torch.from_numpy(pixels)[picked, :width].to(dtype) * (1 / 255)},
        )
        values = normals(samples, width)
        case(
            f"gather floats, {of}",
            [["gather_floats"]],
            {"B": B, "I": width, "scale": 1},
            {"values": values, "rows": rows, "step": row},
            lambda _, t: {"x": t["values"][picked]},
        )
        labels = rng.integers(0, 10, 12).astype(np.uint8)
        case(
            f"gather labels, B {B}",
            [["gather_labels"]],
            {"B": B},
            {"labels": torch.from_numpy(labels.view("<u4").astype(np.int64)), "rows": rows, "step": row},
            lambda _, __: {"y": torch.from_numpy(labels)[picked]},
        )


def batch_norms() -> None:
    # Means far from zero, and batches of two.
    for B, W, mean, eps, momentum in [(2, 3, 0, 1e-5, 0.1), (11, 19, 0, 1e-5, 0.1), (129, 5, 3, 1e-5, 0.1), (37, 7, 30, 1e-3, 0.01)]:
        x = normals(B, W) + mean
        gamma, beta, dY = normals(W), normals(W), normals(B, W)
        running_mean, running_var = normals(W), normals(W).square() + 0.5
        inputs = {"x": x, "gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
        params = {"B": B, "F": W, "eps": eps, "momentum": momentum}
        of = f"B {B}, F {W}, mean {mean}, eps {eps}"

        def train(_, t):
            x, gamma, beta = (t[k].clone().requires_grad_() for k in ["x", "gamma", "beta"])
            running = {k: t[k].clone() for k in ["running_mean", "running_var"]}
            y, save_mean, save_invstd = torch.native_batch_norm(x, gamma, beta, *running.values(), True, momentum, eps)
            y.backward(t["dY"])
            grads = {"dX": x.grad, "dGamma": gamma.grad, "dBeta": beta.grad}
            return {"mean": save_mean, "rstd": save_invstd, "y": y, **running, **grads}

        chain = [
            ["batchnorm_stats", "batchnorm_stats_cpu"],
            ["batchnorm_forward"],
            ["batchnorm_backward_sums", "batchnorm_backward_sums_cpu"],
            ["batchnorm_backward_input"],
        ]
        case(f"batch norm in training, {of}", chain, params, {**inputs, "dY": dY}, train)

        def evaluate(_, t):
            names = ["x", "running_mean", "running_var", "gamma", "beta"]
            return {"y": F.batch_norm(*(t[k] for k in names), training=False, eps=eps)}

        case(f"batch norm in evaluation, {of}", [["batchnorm_eval"]], params, inputs, evaluate)


def cross_entropies() -> None:
    def run(_, t):
        logits = t["logits"].clone().requires_grad_()
        loss = F.cross_entropy(logits, t["labels"], reduction="none")
        loss.sum().backward()
        return {"loss": loss, "dLogits": logits.grad}

    chain = [["softmax_xent_forward"], ["softmax_xent_backward"]]

    def entropy(name, logits, labels):
        B, C = logits.shape
        case(f"cross-entropy, {name}", chain, {"B": B, "C": C}, {"logits": logits, "labels": labels}, run)

    for B, C in [(1, 2), (7, 13), (65, 10), (5, 101)]:
        for size in [1, 80] if B == 65 else [1]:
            entropy(f"B {B}, C {C}, size {size}", normals(B, C, size=size), below(C, B))
    # One sample each, so that a large loss does not hide a small one's difference.
    entropy("20 and nine 4", torch.tensor([[20.0] + [4.0] * 9]), torch.tensor([0]))
    entropy("40 and nine 24", torch.tensor([[40.0] + [24.0] * 9]), torch.tensor([0]))
    entropy("two of 1e7", torch.tensor([[1e7, 1e7]]), torch.tensor([0]))
    entropy("a wrong label", torch.tensor([[20.0] + [4.0] * 9]), torch.tensor([3]))

    for B in [1, 65]:
        loss, losses, step = normals(B).abs(), normals(3), torch.tensor([1])

        def mean(_, t):
            after = t["losses"].clone()
            after[1] = t["loss"].mean()
            return {"losses": after}

        case(f"mean loss, B {B}", [["loss_mean"]], {"B": B}, {"loss": loss, "losses": losses, "step": step}, mean)
        C = 7
        logits, labels = normals(B, C), below(C, B)
        labels[::2] = logits.argmax(1)[::2]

        def right(_, t):
            after = t["correct"].clone()
            after[1] = (t["logits"].argmax(1) == t["labels"]).sum()
            return {"correct": after}

        counted = {"logits": logits, "labels": labels, "correct": torch.tensor([90, 91, 92]), "step": step}
        case(f"correct, B {B}", [["correct_count"]], {"B": B, "C": C}, counted, right)
    for bad in [None, float("nan"), float("inf")]:
        x = normals(70)
        if bad is not None:
            x[69] = bad
        finite = lambda _, t: {"flag": (~torch.isfinite(t["x"]).all()).long().view(1)}
        case(f"finite, with {bad}", [["finite_flag"]], {"n": 70}, {"x": x, "flag": torch.tensor([0])}, finite)


def updates() -> None:
    n, scale, steps = 131, 1 / 7, 3
    at = {"step": torch.tensor([0]), "flag": torch.tensor([0])}

    def optimise(make, moments):
        def run(_, t):
            p = t["p"].clone().requires_grad_()
            optimizer = make(p)
            for _ in range(steps):
                p.grad = t["dP"] * scale
                optimizer.step()
            state = optimizer.state[p]
            return {"p": p, **{name: state[key] for name, key in moments.items()}}

        return run

    # From zero too, where the update is all there is and a parameter's rounding hides none of it.
    for where, p in [("0", torch.zeros(n)), ("anywhere", normals(n))]:
        start = {"dP": normals(n), "p": p, **at}
        rate = 0.05
        table = torch.tensor([rate, 0.0] * steps)
        simple = {**start, "table": table}
        exact = float(table[0])
        case(
            f"gradient descent from {where}",
            [["sgd"], ["step_advance"]] * steps,
            {"n": n, "scale": scale},
            simple,
            optimise(lambda p: torch.optim.SGD([p], exact), {}),
        )
        case(
            f"momentum from {where}",
            [["momentum"], ["step_advance"]] * steps,
            {"n": n, "scale": scale, "mu": 0.9},
            {**simple, "v": torch.zeros(n)},
            optimise(lambda p: torch.optim.SGD([p], exact, momentum=0.9), {"v": "momentum_buffer"}),
        )
        # The table of its step sizes is the optimizer's own. Its moments are not compared: they are averages by the betas
        # as float32 has them, which the step sizes make up for.
        case(
            f"adam from {where}",
            [["adam"], ["step_advance"]] * steps,
            {"n": n, "scale": scale, "beta1": 0.9, "beta2": 0.999, "rate": 1, "learningRate": 1e-3, "steps": steps},
            {**start, "m": torch.zeros(n), "v": torch.zeros(n)},
            optimise(lambda p: torch.optim.Adam([p], 1e-3), {}),
            twin="float32",
        )


def make() -> None:
    for part in [products, elements, gathers, batch_norms, cross_entropies, updates]:
        part()
    save("operators", tensors, cases=cases)
