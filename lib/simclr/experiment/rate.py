"""A job of the cache: what share of the pool gets its true label, by what finds the neighbours."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd

from simclr import data
from simclr.draws import edges
from simclr.spread import spread

RATES = "rates.csv"


def rate(job, progress: Callable[[str], None]) -> None:
    """Spread the labels of each draw along each graph; a row each with the share of labels that are right.

    The true labels of the pool judge what came out. They teach nothing.
    """
    inputs, truth, rows = job.inputs, data.labels(job.data, "pool").numpy(), []
    for name, read in job.reads.items():
        along = edges(read.arrays("graph.npz"), inputs["exponent"])
        progress(f"labels spread along the graph of {name}")
        for n_labels, draw in product(inputs["n_labels"], inputs["draws"]):
            given = data.draw(truth, inputs["number"], draw, n_labels, inputs["balanced"])
            called = spread(*along, given, truth[given], inputs["alpha"]).argmax(1)
            called[given] = truth[given]
            right = float(np.mean(called == truth))
            rows.append({"neighbours": name, "n_labels": n_labels, "draw": draw, "right": right})
    pd.DataFrame(rows).to_csv(job.folder / RATES, index=False)
