"""Peer: JAX, on a GPU where its installation sees one, else on the CPU.

The step is one function, gather from resident bytes, network, loss, gradients and Adam together, so that XLA may fuse
what it likes; the state is donated, so that it is updated in place. Batch norm is written out and differentiated by JAX;
running statistics are not kept, which is less work than syngrad does. Plain float32: jax_default_matmul_precision
'highest'; the variants ending in -tf32 leave the default ('default'), which on recent NVIDIA GPUs means TF32 and is
another precision.

Variants, each also with -tf32 behind it on a GPU:
  jit            one call for each step
  scan           lax.scan over 64 steps in one call
  scan-unrolled  the same, with 8 steps in each turn of the loop
"""

import functools
import os

# As much memory as is needed, not most of the device: syngrad works on it in the same run.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

from serve import GiveUp, missing, parameter_shapes, read_bytes, serve  # noqa: E402

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax import lax
except ImportError:
    jax = None

STEPS_IN_SCAN = 64
UNROLLED = 8


def loss_of(parameters, x, labels, eps):
    *below, weights, bias = parameters
    h = x
    for first in range(0, len(below), 3):
        w, gamma, beta = below[first : first + 3]
        z = h @ w
        centred = z - z.mean(0)
        h = jax.nn.relu(centred * lax.rsqrt((centred * centred).mean(0) + eps) * gamma + beta)
    chosen = jax.nn.log_softmax(h @ weights + bias)[jnp.arange(len(labels)), labels]
    return -chosen.mean()


def train_step(job, state, table, images, labels):
    """A step: (parameters, m, v, steps done) before it, the same after it, and its loss."""
    parameters, m, v, done = state
    rows = table[done % job["table"]]
    adam = job["adam"]
    rate, beta1, beta2, eps = (adam[name] for name in ("learningRate", "beta1", "beta2", "eps"))
    x = images[rows].astype(jnp.float32) * job["scale"]
    value_and_grad = jax.value_and_grad(loss_of)
    loss, gradients = value_and_grad(parameters, x, labels[rows], job["batchnorm"]["eps"])
    t = (done + 1).astype(jnp.float32)
    # 1 - beta^t as -expm1(t log beta), which does not cancel.
    root = jnp.sqrt(-jnp.expm1(t * np.float32(np.log(beta2))))
    step_size = rate * root / -jnp.expm1(t * np.float32(np.log(beta1)))
    m = [beta1 * a + (1 - beta1) * g for a, g in zip(m, gradients)]
    v = [beta2 * a + (1 - beta2) * g * g for a, g in zip(v, gradients)]
    parameters = [p - step_size * a / (jnp.sqrt(b) + eps * root) for p, a, b in zip(parameters, m, v)]
    return (parameters, m, v, done + 1), loss


class Peer:
    def __init__(self, job):
        variant = job["variant"]
        tf32 = variant.endswith("-tf32")
        form = variant.removesuffix("-tf32")
        device = jax.devices()[0]
        if tf32 and device.platform == "cpu":
            raise GiveUp("TF32 is a precision of NVIDIA GPUs, and this JAX sees none")
        jax.config.update("jax_default_matmul_precision", "default" if tf32 else "highest")
        self.load(job)
        step = functools.partial(train_step, job)
        if form == "jit":
            self.unit = 1
            self.lengths = [1]
            self.call = jax.jit(lambda state, data, length: step(state, *data), donate_argnums=0, static_argnums=2)
        else:
            # The check's few steps are a scan too.
            self.unit = 8
            self.lengths = [STEPS_IN_SCAN, self.unit]
            unroll = UNROLLED if form == "scan-unrolled" else 1

            def scan(state, data, length):
                return lax.scan(lambda s, _: step(s, *data), state, None, length=length, unroll=unroll)

            self.call = jax.jit(scan, donate_argnums=0, static_argnums=2)
        # Each length is compiled for itself: here, and not inside a run that is timed. On copies, as the state is donated.
        for length in self.lengths:
            copies = jax.tree_util.tree_map(jnp.copy, self.state)
            jax.block_until_ready(self.call(copies, self.data, length))
        self.about = {
            "version": f"JAX {jax.__version__}",
            "device": f"{device.device_kind}, {os.cpu_count()} cores" if device.platform == "cpu" else device.device_kind,
            "form": f"{form}, {'default matmul precision' if tf32 else 'plain float32'}",
        }

    def load(self, job):
        files = job["files"]
        images = np.frombuffer(read_bytes(files["images"]), np.uint8)
        images = images.reshape(job["samples"], -1)
        labels = np.frombuffer(read_bytes(files["labels"]), np.uint8).astype(np.int32)
        rows = np.frombuffer(read_bytes(files["rows"]), np.uint32).astype(np.int32)
        table = rows.reshape(job["table"], job["batch"])
        self.data = [jnp.asarray(a) for a in (table, images, labels)]
        values = np.frombuffer(read_bytes(files["parameters"]), np.float32)
        parameters, at = [], 0
        for sizes in parameter_shapes(job):
            size = int(np.prod(sizes))
            parameters.append(jnp.asarray(values[at : at + size].reshape(sizes)))
            at += size
        m, v = ([jnp.zeros_like(p) for p in parameters] for _ in range(2))
        self.state = (parameters, m, v, jnp.int32(0))

    def steps(self, count):
        """Runs count steps, in as few calls as the variant allows; returns their losses, not awaited."""
        losses = []
        while count > 0:
            length = next(n for n in self.lengths if n <= count)
            self.state, some = self.call(self.state, self.data, length)
            losses.append(some)
            count -= length
        return losses

    def losses(self, count):
        return [float(x) for part in self.steps(count) for x in np.atleast_1d(np.asarray(part))]

    def run(self, count):
        last = self.steps(count)[-1]
        jax.block_until_ready(self.state)
        return float(np.atleast_1d(np.asarray(last))[-1])


def set_up(job):
    if jax is None:
        raise GiveUp(missing("jax"))
    return Peer(job)


if __name__ == "__main__":
    serve(set_up)
