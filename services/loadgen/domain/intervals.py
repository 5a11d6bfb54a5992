"""How far the percentiles of one run can be trusted: 95 % intervals, from its seconds and from its ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.loadgen.domain.histogram import Delta, Histogram, lowest_of, merged
from services.loadgen.domain.student import t_quantile

NS = 1e9
MOST_BLOCKS = 64
LEAST_BLOCKS = 8
RESAMPLES = 200
Z = 1.960
TAIL = 0.025
Interval = tuple[float, float]


class Blocks:
    """A run in at most 64 blocks of as many windows each: neighbours are merged as it gets longer."""

    def __init__(self) -> None:
        self._blocks: list[Delta] = []
        self._filling: list[Delta] = []
        self._windows = 1  # of each block

    def add(self, window: Delta) -> None:
        self._filling.append(window)
        if len(self._filling) < self._windows:
            return
        self._blocks.append(merged(self._filling))
        self._filling = []
        if len(self._blocks) == MOST_BLOCKS:
            pairs = zip(self._blocks[::2], self._blocks[1::2], strict=True)
            self._blocks = [merged(pair) for pair in pairs]
            self._windows *= 2

    def after(self, windows: int) -> list[Delta]:
        """Return the whole blocks that begin after so many windows."""
        return self._blocks[math.ceil(windows / self._windows) :]


def by_rank(histogram: Histogram, q: float, out: int = 0) -> Interval | None:
    """Return the interval of a quantile whose values are independent; `out` are slower than any of them.

    The ranks that hold it in 19 of 20 samples (binomial, by the normal law); None where they do not exist.
    """
    total = histogram.count + out
    spread = Z * math.sqrt(total * q * (1 - q))
    low = histogram.at_rank_ns(max(1, math.floor(total * q - spread)))
    high = histogram.at_rank_ns(min(total, math.ceil(total * q + spread) + 1))
    return None if low is None or high is None else (low / NS, high / NS)


def by_blocks(blocks: Sequence[Delta], quantiles: Sequence[float], *, seed: int = 1) -> list[Interval] | None:
    """Return intervals by the moving-block bootstrap: what other runs of such stretches would have shown.

    Requests of one moment share its troubles, and so do neighbouring seconds: resampled are
    stretches of √n blocks (Künsch 1989), on a ring, so that each block is as likely as the next; as
    √n stretches are few, the interval is widened as Student's t is. None for fewer than eight blocks.
    """
    filled = [block for block in blocks if block.count]
    if len(filled) < LEAST_BLOCKS:
        return None
    indices = np.unique(np.concatenate([block.indices for block in filled]))
    table = np.zeros((len(filled), indices.size))
    for row, block in enumerate(filled):
        table[row, np.searchsorted(indices, block.indices)] = block.counts
    length = round(math.sqrt(len(filled)))
    wider = t_quantile(1 - TAIL, len(filled) / length - 1) / Z
    sums = np.cumsum(_weights(len(filled), length, seed) @ table, axis=1)
    values = np.array([(lowest_of(int(i)) + lowest_of(int(i) + 1) - 1) / 2 for i in indices])
    return [_middle_95(sums, values, q, wider) for q in quantiles]


def _weights(blocks: int, length: int, seed: int) -> NDArray[np.float64]:
    """Return how often each block is in each resample."""
    dice = np.random.default_rng(seed)
    starts = dice.integers(0, blocks, (RESAMPLES, math.ceil(blocks / length)))
    taken = (starts[:, :, None] + np.arange(length)) % blocks
    weights = np.zeros((RESAMPLES, blocks))
    np.add.at(weights, (np.arange(RESAMPLES)[:, None, None], taken), 1.0)
    return weights


def _middle_95(sums: NDArray[np.float64], values: NDArray[np.float64], q: float, wider: float) -> Interval:
    ranks = np.maximum(1.0, np.ceil(q * sums[:, -1] - 1e-9))
    found = values[(sums < ranks[:, None]).sum(axis=1)]
    low, middle, high = np.quantile(found, [TAIL, 0.5, 1 - TAIL])
    low, high = middle - wider * (middle - low), middle + wider * (high - middle)
    return float(max(low, values[0])) / NS, float(high) / NS
