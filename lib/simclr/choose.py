"""Which images to label: chosen by the encoder, before any label is seen."""

import numpy as np
from sklearn.cluster import KMeans


def typical(
    components: np.ndarray, cosines: np.ndarray, many: int, seed: int, labelled: np.ndarray | None = None
) -> np.ndarray:
    """The most typical images of clusters without a labelled one (TypiClust, Hacohen et al. 2022).

    There are as many clusters as labels in the end. With few of them k-means starts several times, as a
    single bad start can leave out a whole class.

    Args:
        components: (N, D) principal components of the features, which are clustered by k-means.
        cosines: (N, k) to the nearest neighbours; their mean says how typical an image is.
        many: how many images to choose.
        seed: of k-means.
        labelled: rows that are labelled already, if any.

    Returns:
        Indices, `many` or as many as there are such clusters, an image a cluster, the largest first.
    """
    labelled = np.array([], int) if labelled is None else labelled
    n = min(many + len(labelled), len(components))
    starts = max(1, 100 // n)
    clusters = KMeans(n, n_init=starts, max_iter=50, random_state=seed).fit(components).labels_
    density, sizes = cosines.mean(1), np.bincount(clusters, minlength=n)
    sizes[clusters[labelled]] = 0  # somebody has looked there
    found = []
    for cluster in np.argsort(-sizes, kind="stable")[:many]:
        mine = np.setdiff1d(np.flatnonzero(clusters == cluster), labelled)
        if len(mine):
            found.append(mine[density[mine].argmax()])
    return np.array(found, int)
