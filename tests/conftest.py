import torch
from hypothesis import settings

# with tensors this small, threads only wait for one another
torch.set_num_threads(1)

# a shared machine is slow at times, which must not fail a test
settings.register_profile("layerlib", deadline=None, max_examples=40)
settings.load_profile("layerlib")
