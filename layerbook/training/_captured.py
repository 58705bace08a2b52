"""The steps of a training on a GPU: each is one replay of a CUDA graph, or runs as written where none can be captured.

They follow `layerbook.training._loop.one_epoch`, and train the same networks but for rounding and for noise, which the
device draws. The order of the samples is the CPU's: one copy an epoch, which nothing waits for.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from layerbook.precision import rounding
from layerbook.training._ensemble import Single, Stacked
from layerbook.training._loop import Run
from layerlib._checks import in_short
from layerlib._forward import as_input
from layerlib.data.splits import Split

WARM_UP = 3  # steps that run as written before one is captured: libraries and optimizers make then what they keep
ACTIVATIONS = (nn.ReLU, nn.Sigmoid, nn.Tanh)


class Captured:
    """The steps of one training on a GPU; called with a batch, it takes one.

    Parameters
    ----------
    run : the training
    loss : that of the settings, with its checks

    Attributes
    ----------
    graph : the captured step; None before, and where there is none
    whole : whether it holds the optimizer's part, too, which else runs as written
    refused : why steps run as written, None where they are captured
    """

    def __init__(self, run: Run, loss: Callable[[Tensor, Tensor], Tensor]):
        self.run, self.loss = run, loss
        self.device, self.dtype = run.network.parameters[0].device, run.network.parameters[0].dtype
        self.forward = side_by_side(run.network)
        self.generators = [torch.Generator(self.device) for _ in run.orders]
        self.shares: dict[tuple, Tensor] = {}
        # others keep numbers on the CPU; so does SGD with a rate that changes, which is a number in each step
        self.whole = type(run.update) in (Adam, AdamW) or (type(run.update) is SGD and not run.rate)
        self.rates: list[Tensor] = []
        for group in run.update.param_groups if self.whole else ():
            if run.rate:  # a graph keeps a number as it is, so that it has to be a tensor; fused kernels read float32
                kind = torch.float32 if group.get("fused") else self.dtype
                self.rates.append(torch.empty((), dtype=kind, device=self.device))
            if "capturable" in group:
                group["capturable"] = True
                run.update._warned_capturable_if_run_uncaptured = True  # a few steps always are
        self.full = self.warm = 0  # samples of a batch, but for a smaller one at the end; steps since the last change
        self.outline: tuple = ()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.refused = None if self.device.type == "cuda" else f"{self.device.type} has no graphs"
        if not self.refused:
            self.stream = torch.cuda.Stream(self.device)

    def epoch(self, train: Split, validation: Split | None) -> None:
        """Go once through ``train``."""
        run, settings, networks = self.run, self.run.settings, self.run.network.size
        run.network.train(True)
        run.epoch += 1
        order = torch.stack([torch.randperm(len(train), generator=g) for g in run.orders])
        batches = order.split(settings.batch_size, dim=1)[: settings.steps and settings.steps - run.step]
        self.seed_noise()
        sizes = [batch.shape[1] for batch in batches]
        self.full = sizes[0]
        rows = torch.cat([batch.flatten() for batch in batches]).pin_memory().to(self.device, non_blocking=True)
        losses = torch.empty(networks, sum(sizes), dtype=torch.float64, device=self.device)
        for chosen, place in zip(rows.split([networks * n for n in sizes]), losses.split(sizes, 1), strict=True):
            x = as_input(train.images[chosen], self.dtype).unflatten(0, place.shape)
            if settings.noise:
                x = self.with_noise(x)
            for rate, group in zip(self.rates, run.update.param_groups, strict=False):
                rate.fill_(group["lr"])
            place.copy_(self(x, train.labels[chosen]))
            if run.rate:
                run.rate.step()
            run.step += 1
            run.after_step()
        run.losses.append(losses.mean(1))
        if validation is not None:
            run.judge(validation)

    def seed_noise(self) -> None:
        """Each epoch has noise of its own, from the stream of the order, so that a run goes on where it was saved."""
        if self.run.settings.noise:
            for generator, order in zip(self.generators, self.run.orders, strict=True):
                generator.manual_seed(int(torch.randint(2**62, (), generator=order)))

    def with_noise(self, x: Tensor) -> Tensor:
        """A batch, shape (networks, N, …), with noise added in place."""
        drawn = torch.empty_like(x)
        for each, generator in zip(drawn, self.generators, strict=True):
            each.normal_(generator=generator)
        return x.add_(drawn, alpha=self.run.settings.noise)

    def __call__(self, x: Tensor, labels: Tensor) -> Tensor:
        """Change the weights by one step; the loss of each sample before it.

        Parameters
        ----------
        x : shape (networks, N, …)
        labels : of the networks one after the other, shape (networks * N,) or (networks * N, K)

        Returns
        -------
        shape (networks, N); the next step overwrites it
        """
        if self.refused or x.shape[1] != self.full:
            return self.step(x, labels)
        with torch.cuda.device(self.device):
            outline = self._outline(x, labels)
            if outline != self.outline:
                self.graph, self.outline, self.warm = None, outline, 0
            if self.warm < WARM_UP:
                self.warm += 1
                return self._beside(x, labels)
            if self.graph is None and not self._capture(x, labels):
                return self.step(x, labels)
            self.x.copy_(x)
            self.labels.copy_(labels)
            self.graph.replay()
        for parameter, gradient in zip(self.run.network.parameters, self.gradients, strict=True):
            parameter.grad = gradient  # a smaller batch has another
        if not self.whole:
            self._update()
        return self.losses

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """The step as written; arguments and result as of the call."""
        losses = self._derive(x, labels)
        self._update()
        return losses

    def finish(self) -> None:
        """Give back the memory of the graph, in which the last gradients lie."""
        self.graph = None
        self.run.update.zero_grad()

    def _derive(self, x: Tensor, labels: Tensor) -> Tensor:
        """Gradients of a batch; the loss of each sample."""
        self.run.update.zero_grad()
        with rounding():
            each = self.loss(self.forward(x).flatten(0, 1), labels).unflatten(0, x.shape[:2])
            key = each.shape, each.dtype
            if key not in self.shares:
                self.shares[key] = torch.full_like(each, 1 / x.shape[1], requires_grad=False)
            each.backward(self.shares[key])  # as of the sum of the networks' means
        return each.detach()

    def _update(self) -> None:
        """Change the weights by their gradients, with rates that are tensors meanwhile."""
        groups = self.run.update.param_groups
        numbers = [group["lr"] for group in groups]
        try:
            for group, rate in zip(groups, self.rates, strict=False):
                group["lr"] = rate
            self.run.update.step()
        finally:
            for group, number in zip(groups, numbers, strict=True):
                group["lr"] = number

    def _outline(self, x: Tensor, labels: Tensor) -> tuple:
        """What a graph takes for granted: shapes, where everything lies, what learns, and the modes."""
        network = self.run.network
        alone = isinstance(network, Single)
        buffers = network.model.buffers() if alone else network.buffers.values()
        return (
            *((t.shape, t.dtype) for t in (x, labels)),
            *((t.data_ptr(), t.requires_grad) for t in (*network.parameters, *buffers)),
            *(module.training for module in (network.model if alone else network.template).modules()),
        )

    def _beside(self, x: Tensor, labels: Tensor) -> Tensor:
        """The step as written, on the stream that is going to be captured."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            losses = self.step(x, labels)
        torch.cuda.current_stream().wait_stream(self.stream)
        return losses

    def _capture(self, x: Tensor, labels: Tensor) -> bool:
        """Capture a step, without taking it."""
        self.x, self.labels = x.clone(), labels.clone()
        self.run.update.zero_grad()
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self.device.index or 0]
        before = generator.clone_state()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self.losses = (self.step if self.whole else self._derive)(self.x, self.labels)
        except RuntimeError as error:
            generator.graphsafe_set_state(before)  # a capture that failed leaves it waiting for that graph
            # of two errors the first says what it was, the second that nothing was captured
            self.refused = in_short(error.__context__ if isinstance(error.__context__, Exception) else error)
            warnings.warn(f"training: steps run as written, none can be captured: {self.refused}", RuntimeWarning, 2)
            return False
        self.gradients = [parameter.grad for parameter in self.run.network.parameters]
        self.graph = graph
        return True


def side_by_side(network: Single | Stacked) -> Callable[[Tensor], Tensor]:
    """The forward pass: of fewer operators than by ``vmap`` where networks are linear layers and activations in a row.

    Samples are columns there, so that the gradient of a weight lies in memory as the weight does, and is not copied.

    Returns
    -------
    x, shape (networks, N, …) -> logits, shape (networks, N, K); ``network`` itself where its networks are others
    """
    if not isinstance(network, Stacked) or not _in_a_row(network):
        return network
    values = network.values
    _, *layers = network.template._modules.items()

    def forward(x: Tensor) -> Tensor:
        columns = x.flatten(2).mT
        for name, layer in layers:
            if isinstance(layer, nn.Linear):
                weight, bias = values[f"{name}.weight"], values.get(f"{name}.bias")
                added = () if bias is None else (bias[:, :, None],)
                columns = (torch.baddbmm if added else torch.bmm)(*added, weight, columns)
            else:
                columns = layer(columns)
        return columns.mT

    return forward


def _in_a_row(network: Stacked) -> bool:
    """Whether the networks are known layers, one after the other, each with parameters of its own and nothing added."""
    template = network.template
    if type(template).forward is not nn.Sequential.forward or not len(template):
        return False
    (_, first), *layers = template._modules.items()
    hooked = any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in template.modules())
    return (
        type(first) is nn.Flatten
        and (first.start_dim, first.end_dim) == (1, -1)
        and not hooked
        and all(type(layer) in (nn.Linear, *ACTIVATIONS) for _, layer in layers)
        and all(f"{name}.weight" in network.values for name, layer in layers if isinstance(layer, nn.Linear))
    )
