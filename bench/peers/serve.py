"""What the peers written in Python share: the conversation with the suite (see serve.mjs and README.md)."""

import json
import math
import os
import sys
import time
import traceback


def read_bytes(path):
    with open(path, "rb") as file:
        return bytearray(file.read())


def parameter_shapes(job):
    """Shapes of the parameters as they follow each other in the job's file."""
    shape = job["shape"]
    inputs, hidden, layers, classes = (shape[name] for name in ("inputs", "hidden", "layers", "classes"))
    shapes = []
    for layer in range(layers - 1):
        shapes += [(inputs if layer == 0 else hidden, hidden), (hidden,), (hidden,)]
    return shapes + [(hidden, classes), (classes,)]


def finite(loss):
    """A loss as JSON can hold it: null for what is no number."""
    return loss if math.isfinite(loss) else None


class GiveUp(Exception):
    """This variant cannot be had here; the message says why."""


def serve(set_up):
    """Runs the conversation.

    set_up(job) returns an object with `about`, a dict of strings; `unit`, the steps that belong together; `losses(n)`,
    which runs n steps and returns their losses; and `run(n)`, which runs n steps and returns the last loss, both once
    all steps are done. n is a multiple of the unit.
    """
    # The answers go to the real stdout; whatever a library prints, natively or not, must not get among them.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**value):
        out.write(json.dumps(value) + "\n")
        out.flush()

    peer = None
    try:
        for line in sys.stdin:
            message = json.loads(line)
            if "check" in message:
                count = message["check"]
                if count % peer.unit:
                    raise GiveUp(f"expected a multiple of {peer.unit} steps to check, found {count}")
                answer(losses=[finite(loss) for loss in peer.losses(count)])
            elif "run" in message:
                count = -(-message["run"] // peer.unit) * peer.unit
                began = time.perf_counter()
                loss = peer.run(count)
                answer(steps=count, seconds=time.perf_counter() - began, loss=finite(loss))
            else:
                peer = set_up(message)
                answer(about=peer.about)
    except GiveUp as error:
        answer(error=str(error), missing=True)
        sys.exit(1)
    except Exception as error:  # Whatever it is, the suite goes on with the other peers.
        traceback.print_exc()
        text = (str(error).strip().splitlines() or ["no message"])[0]
        answer(error=f"{type(error).__name__}: {text}")
        sys.exit(1)


def missing(package):
    """The message for a package that is not there."""
    return f"not installed: {os.path.basename(sys.executable)} {sys.version.split()[0]} has no {package}"
