"""Makes the fixtures, all or those of the parts that are named: see README.md."""

import sys

import torch

import single
import whole

PARTS = {"single": single.make, "whole": whole.make}

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
for name in sys.argv[1:] or PARTS:
    PARTS[name]()
