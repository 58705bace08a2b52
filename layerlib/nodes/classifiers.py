"""Every node of a layer as a classifier: the discrete, continuous and combined systems (Davel et al. 2020, sec. 5)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from layerlib._asking import answered
from layerlib._checks import checked, choice, whole_number
from layerlib._tensors import all_finite, floats, numbers
from layerlib._threads import one_thread
from layerlib.nodes._counting import check, check_batches, check_values, counted
from layerlib.nodes._densities import LogDensities
from layerlib.nodes._histograms import Histograms
from layerlib.nodes._moments import Moments, is_on, row_blocks

SYSTEMS = ("discrete", "continuous", "combined")


class NodeClassifiers:
    """The nodes of a layer, each an independent estimate of P(z | class) (Davel et al. 2020, sec. 5.1, eq. 11).

    With z the pre-activation of a node, and a node on when z > 0 (for a sigmoid: activation > 0.5),

    - *discrete*: the share of the class's training samples that turn the node on, where it is on; one minus
      that where it is off. Shares are kept within [1/(2 N_c), 1 - 1/(2 N_c)], N_c the samples of the class;
    - *continuous*: the Gaussian kernel density of the class's training values;
    - *combined*: discrete where z <= 0, continuous otherwise. All classes take the same branch at one node and
      sample, so the units of the density cancel: it is the likelihood of the ReLU's output.

    Logs are summed over the nodes, with the log of the class's share of the training samples. Densities come
    from linear-binned histograms, so memory does not grow with the samples. Made by :meth:`fit` or
    :meth:`fit_batches`.

    A log density is at least 30 nats below the node's highest over all classes. Within 10 nats of the class's highest
    it is right to about 0.005 for values spread like a Gaussian or a few of them, to 0.03 between lone samples at a
    narrow bandwidth, and to 0.1 in heavy tails; down to 25 nats to 0.2. ``resolution`` r makes these errors about r²
    times smaller, for r times the memory.

    Attributes
    ----------
    nodes, classes : int
    bandwidth : float64, shape (nodes, C), the kernel's standard deviation, as used
    log_prior : float64, shape (C,); -inf for a class without samples, which is never predicted
    log_on, log_off : float64, shape (nodes, C), the discrete system's log shares

    Examples
    --------
    >>> z, labels = torch.randn(1000, 20), torch.randint(10, (1000,))
    >>> classifiers = NodeClassifiers.fit(z, labels)
    >>> classifiers.predict(z, "combined").shape, classifiers.log_posteriors(z).shape
    (torch.Size([1000]), torch.Size([3, 1000, 10]))
    """

    def __init__(self, moments: Moments, histograms: Histograms, dtype: torch.dtype, densities: LogDensities) -> None:
        self._dtype = dtype
        self.nodes, self.classes = moments.nodes, moments.classes
        self.bandwidth = histograms.bandwidth
        self.log_prior = (moments.count / moments.count.sum()).log()
        least = 0.5 / moments.count.clamp(min=1)
        share = torch.clamp(moments.on / moments.count.clamp(min=1), least, 1 - least)
        self.log_on, self.log_off = share.log(), (1 - share).log()
        self._densities = densities

    @classmethod
    @torch.no_grad()
    @checked(z=floats, labels=numbers, classes=whole_number)
    @one_thread()
    def fit(
        cls,
        z: Tensor,
        labels: Tensor,
        bandwidth: str | float | Tensor = "scott",
        classes: int | None = None,
        resolution: int = 1,
    ) -> NodeClassifiers:
        """Estimate every node's likelihoods from training samples.

        Parameters
        ----------
        z : float, shape (N, nodes), pre-activations
        labels : int64, shape (N,), classes 0 .. C-1
        bandwidth : "scott", "silverman", a number, or a tensor that broadcasts to (nodes, C)
            the rules are those of scipy.stats.gaussian_kde, per node and class: n^(-1/5) times the standard
            deviation (ddof=1), and (3n/4)^(-1/5) times it. A class with one sample takes the node's standard
            deviation. No bandwidth is below 1/4096 of the class's range, 1e-4 of the node's standard
            deviation, and 8 roundings of its largest value (1e-6 where all values are 0): the floor for
            constant values.
        classes : int, the C where labels may leave out the last ones; by default the largest label + 1
        resolution : how many times finer than by default densities are tabulated

        Returns
        -------
        NodeClassifiers, on the device of z; in float64 where float32 is too coarse for such values

        Raises
        ------
        ValueError
            if shapes or types are not as above, there are no samples, a value of z is NaN or infinite, a label is
            not a class, or the bandwidth is unknown, not > 0, above 1e100, or of another
            shape
        """
        if classes is None:
            classes = max(int(labels.max()) + 1, 1) if labels.dtype == torch.int64 and labels.numel() else 1
        return cls.fit_batches([(z, labels)], classes, bandwidth, resolution)

    @classmethod
    @torch.no_grad()
    @checked(classes=whole_number, resolution=whole_number)
    def fit_batches(
        cls,
        batches: Iterable[tuple[Tensor, Tensor]],
        classes: int,
        bandwidth: str | float | Tensor = "scott",
        resolution: int = 1,
    ) -> NodeClassifiers:
        """Estimate every node's likelihoods from batches, in memory that does not grow with their number.

        The batches are gone through twice, in any order: for ranges and moments, then for histograms on the
        grids that these ask for. (Where float32 is too coarse for them, the first is made again.) The result is that
        of :meth:`fit` on all of them together.

        Parameters
        ----------
        batches : iterable that can be gone through twice (a list, a DataLoader; no generator) of (z, labels)
        classes : int
        bandwidth, resolution : as for :meth:`fit`

        Returns
        -------
        NodeClassifiers, on the device of the first batch

        Raises
        ------
        ValueError
            as :meth:`fit`, and if the second pass does not bring the samples of the first
        """
        found = answered(counted(check_batches(batches), classes, bandwidth, resolution, math.inf))
        return cls(*found, answered(LogDensities.of(*found[1:])))

    @checked(z=floats, system=choice(*SYSTEMS))
    def predict(self, z: Tensor, system: str = "combined") -> Tensor:
        """Most probable class of each sample.

        Parameters
        ----------
        z : float, shape (N, nodes), pre-activations
        system : "discrete", "continuous" or "combined"

        Returns
        -------
        int64, shape (N,), class numbers
        """
        return self.log_posterior(z, system).argmax(1)

    @checked(z=floats, system=choice(*SYSTEMS))
    def log_posterior(self, z: Tensor, system: str = "combined") -> Tensor:
        """Log posterior of each class given the layer's nodes (Davel et al. 2020, eq. 11).

        Parameters
        ----------
        z : float, shape (N, nodes), pre-activations
        system : "discrete", "continuous" or "combined"

        Returns
        -------
        float64, shape (N, C); -inf for a class without training samples

        Raises
        ------
        ValueError
            if the system is unknown, z has another shape or type, or a value of z is NaN or infinite
        """
        return self._log_posteriors(z, (system,))[0]

    @checked(z=floats)
    def log_posteriors(self, z: Tensor) -> Tensor:
        """:meth:`log_posterior` of the three systems in one pass.

        Parameters
        ----------
        z : float, shape (N, nodes), pre-activations

        Returns
        -------
        float64, shape (3, N, C): discrete, continuous, combined
        """
        return self._log_posteriors(z, SYSTEMS)

    @torch.no_grad()
    def _log_posteriors(self, z: Tensor, systems: tuple[str, ...]) -> Tensor:
        return (self._scores(self._values(z), systems) + self.log_prior).log_softmax(2)

    @one_thread()
    def _scores(self, z: Tensor, systems: tuple[str, ...]) -> Tensor:
        """Log likelihoods, (systems, N, C), of values that are as they must be."""
        scores = self.log_prior.new_empty(len(systems), len(z), self.classes)
        for z_block, out in row_blocks(z, scores.transpose(0, 1), width=self.nodes):
            on = is_on(z_block)
            off = 1 - on.double()
            if systems != ("discrete",):
                rows, weights = self._densities.locate(z_block)
            for number, system in enumerate(systems):
                if system == "discrete":
                    out[:, number] = off @ (self.log_off - self.log_on) + self.log_on.sum(0)
                elif system == "continuous":
                    out[:, number] = self._densities.sum(rows, weights)
                else:
                    out[:, number] = self._densities.sum(rows, weights * on[:, None]) + off @ self.log_off
        return scores

    @torch.no_grad()
    @checked(z=floats)
    @one_thread()
    def log_density(self, z: Tensor) -> Tensor:
        """Log density of each value at its node under each class: the continuous system.

        Parameters
        ----------
        z : float, shape (N, nodes), pre-activations

        Returns
        -------
        float, shape (N, nodes, C)
        """
        return self._densities.at(self._values(z))

    @torch.no_grad()
    @checked(z=floats, labels=numbers)
    @one_thread()
    def log_likelihood(self, z: Tensor, labels: Tensor) -> Tensor:
        """Mean log density of held-out samples under their own class.

        What a bandwidth sweep compares: it is highest where the density estimate predicts unseen values best.

        Parameters
        ----------
        z : float, shape (N, nodes), pre-activations
        labels : int64, shape (N,), classes 0 .. C-1

        Returns
        -------
        float64, shape (nodes,)
        """
        z, labels = check(self._values(z), labels, self.classes, self.nodes)
        total = torch.zeros(self.nodes, dtype=torch.float64, device=z.device)
        for z_block, label_block in row_blocks(z, labels, width=self.nodes):
            rows, weights = self._densities.locate(z_block)
            own = self._densities.table[rows, label_block[:, None, None]]
            total += (own * weights).sum((0, 1), dtype=torch.float64)
        return total / len(z)

    def _values(self, z: Tensor) -> Tensor:
        z = check_values(z, self.nodes).to(self.log_prior.device, self._dtype)
        if not all_finite(z):
            raise ValueError("z: expected finite values, got NaN or infinity")
        return z
