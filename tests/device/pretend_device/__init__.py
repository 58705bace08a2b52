"""A pretend GPU: tensors in host memory under CUDA's rules about devices, for tests on machines without one.

``install()`` builds it (half a minute, once) and lets it pass for CUDA in this process: ``torch.cuda.is_available()``
is true, ``device="auto"`` picks it, ``x.is_cuda`` holds for its tensors. From then on, as on a GPU, it raises where
tensors of two devices meet, where NumPy or matplotlib are handed a tensor of the device, and where a generator is of
the other device. ``counted()`` counts operators and host syncs by source line.

It is a PrivateUse1 backend of PyTorch. Every operator runs the CPU's kernel on the same memory, so that results are the
CPU's, and every rule comes from PyTorch's own table of operators. There is no way back: install it in a process of its
own, as the plugin ``pretend_device.plugin`` of pytest does.

Not pretended: speed, streams and races, asserts on the device, memory limits, several GPUs, graphs, TF32, the order of
atomic additions, fused recurrent cells, which kernel of attention is chosen (always the definition) and torch.compile.
"""

from pretend_device.as_cuda import install
from pretend_device.build import unavailable
from pretend_device.counting import Counts, counted

__all__ = ["Counts", "counted", "install", "unavailable"]
