"""What is known about a labelled collection: how good its classifier is, and what to label next."""

from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.cluster import KMeans

from simclr.experiment.cache import Job
from simclr.own import encode, learn, predict
from simclr.own.project import Project

SURE = 0.9  # share from which an opinion against a label is worth a look
ALIKE = 0.8  # share of images that a network calls as its teachers do, below which it has not learned


class Findings:
    """Reads what a classifier's job left; everything is computed when it is first asked for.

    Args:
        job: of `Project.classifier`, done.
    """

    def __init__(self, project: Project, job: Job) -> None:
        self.project, self.labels, self.classes = project, project.labels, project.labels.classes
        self._graph = job.reads["graph"].arrays(encode.GRAPH)
        learned, predicted = job.arrays(learn.LEARNED), job.arrays(learn.PREDICTED)
        self._shares, self._crossed = learned["shares"], learned["crossed"]
        self._top, self._probabilities = predicted["classes"], predicted["probabilities"]

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row an image: label (if it has one), and the columns of `predict.named`."""
        table = predict.named(self.project.collection, self.classes, self._top, self._probabilities)
        given = np.full(len(self._top), "", object)
        given[self.labels.rows] = np.array(self.classes, object)[self.labels.given]
        table.insert(1, "label", given[list(self.project.collection.places.values())])
        return table

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """A row a class: class, labels, found (of these, when left out), images, share."""
        predicted = np.bincount(self._top[:, 0], minlength=len(self.classes))
        right = (self._crossed.argmax(1) == self.labels.given) & self._crossed.any(1)  # something is said
        many = np.bincount(self.labels.given, minlength=len(self.classes))
        found = np.bincount(self.labels.given, right, len(self.classes))
        found = np.where(many > 1, found, np.nan)  # a class's only label cannot be tested
        columns = {"class": self.classes, "labels": many, "found": found, "images": predicted}
        return pd.DataFrame(columns).assign(share=predicted / predicted.sum())

    @cached_property
    def numbers(self) -> dict[str, object]:
        """What the report quotes, by name."""
        tested = self.by_class[self.by_class.labels > 1]
        right, many = int(tested.found.sum()), int(tested.labels.sum())
        low, high = np.nan, np.nan
        if many:
            low, high = binomtest(right, many).proportion_ci(0.95, "wilson")
        return {
            "images": len(self._top),
            "left_out": sum(map(len, self.project.collection.about["left_out"].values())),
            "sample": len(self._shares),
            "labels": len(self.labels.rows),
            "classes": len(self.classes),
            "tested": many,
            "right": right,
            "accuracy": right / many if many else np.nan,
            "low": low,
            "high": high,
            "agreement": (self._top[self._graph["rows"], 0] == self._shares.argmax(1))[
                self._shares.any(1)
            ].mean(),
            "unsure": int((self._probabilities[:, 0] < 0.5).sum()),
            "contradictions": len(self.contradictions),
            "islands": len(self.islands),
        }

    @cached_property
    def contradictions(self) -> pd.DataFrame:
        """Labels that, when left out, would surely be called otherwise: file, label, others, share."""
        says, share = self._crossed.argmax(1), self._crossed.max(1)
        odd = np.flatnonzero((says != self.labels.given) & (share > SURE))
        odd = odd[np.argsort(-share[odd])]
        names = self.project.collection.names
        rows = [
            (names[self.labels.rows[i]], self.classes[self.labels.given[i]], self.classes[says[i]])
            for i in odd
        ]
        return pd.DataFrame(rows, columns=["file", "label", "others"]).assign(share=share[odd])

    def labelled(self, most: int) -> list[tuple[str, np.ndarray]]:
        """The first labelled images of each class: its name, and rows of the collection."""
        rows, given = self.labels.rows, self.labels.given
        return [(name, rows[given == c][:most]) for c, name in enumerate(self.classes)]

    def least_sure(self, many: int) -> np.ndarray:
        """The unlabelled images of which the classifier is least sure, rows of the collection."""
        probability = self._probabilities[:, 0].copy()
        probability[self.labels.rows] = 1
        return np.argsort(probability, kind="stable")[:many]

    @cached_property
    def islands(self) -> list[tuple[str, np.ndarray]]:
        """Clusters without a label, the least sure ones first: what most of it is called, and the rows.

        There are twice as many clusters as labels; the images nearest to the middle come first.
        """
        components, rows = self._graph["components"], self._graph["rows"]
        many = min(2 * len(self.labels.rows), len(rows) // 10)
        means = KMeans(many, n_init=1, max_iter=50, random_state=0).fit(components)
        clusters, sure = means.labels_, self._shares.max(1)
        labelled = set(clusters[np.isin(rows, self.labels.rows)])
        bare = [c for c in range(many) if c not in labelled and (clusters == c).any()]
        bare.sort(key=lambda c: sure[clusters == c].mean())
        found = []
        for cluster in bare:
            mine = np.flatnonzero(clusters == cluster)
            if sure[mine].mean() > SURE:
                break
            far = np.linalg.norm(components[mine] - means.cluster_centers_[cluster], axis=1)
            called = np.bincount(self._shares[mine].argmax(1), minlength=len(self.classes)).argmax()
            found.append((self.classes[called], rows[mine[np.argsort(far)]]))
        return found
