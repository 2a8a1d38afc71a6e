"""Makes all fixtures: see README.md."""

import sys

import torch

import single

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
wanted = sys.argv[1:]
if not wanted or "operators" in wanted:
    single.make()
