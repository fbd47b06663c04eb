"""Which images to label: chosen by the encoder, before any label is seen."""

import numpy as np
from sklearn.cluster import KMeans


def typical(components: np.ndarray, cosines: np.ndarray, n: int, seed: int) -> np.ndarray:
    """The most typical image of each of n clusters (TypiClust, Hacohen et al. 2022).

    Args:
        components: (N, D) principal components of the features, which are clustered by k-means.
        cosines: (N, k) to the nearest neighbours; their mean says how typical an image is.
        seed: of k-means.

    Returns:
        Indices (n,), an image a cluster, the largest cluster first.
    """
    means = KMeans(n, n_init=1, max_iter=50, random_state=seed).fit(components)
    clusters, density = means.labels_, cosines.mean(1)
    order = np.argsort(-np.bincount(clusters, minlength=n), kind="stable")
    members = [np.flatnonzero(clusters == cluster) for cluster in order]
    return np.array([rows[density[rows].argmax()] for rows in members])
