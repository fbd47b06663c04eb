"""The labels that self-training learns: how many of them are wrong, and what the network makes of these."""

from types import SimpleNamespace

import torch
from sklearn.metrics import confusion_matrix

from simclr import data, hardware
from simclr.experiment import statistics
from simclr.experiment.measure import CLASSIFIER, task_of
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Study
from simclr.model import predict
from simclr.spread import graph_labels
from simclr.weights import load_classifier


def taught_labels(study: Study) -> dict[str, float | str]:
    """Hold the labels that the first draw's self-training learned against the true ones, which teach nothing.

    Returns:
        `taught`, how many labels there are, and `taught_wrong`, how many of them are wrong;
        `taught_confusions`, the most frequent mistakes in words; and `taught_wrong_repeated`, the share of
        the wrong labels that the network repeats.
    """
    job = study.measurements([METHODS["selftrain"]])[0].job
    common = study.params["common"]
    task = task_of(job, *hardware.pick(common.device, common.precision))
    rows, labels = graph_labels(task, SimpleNamespace(**job.inputs["params"]))
    true = data.labels(study.data, "pool")[rows].numpy()
    wrong = labels != true
    network = load_classifier(job.file(CLASSIFIER)).to(task.images.device)
    missed = task.pool.images[torch.from_numpy(rows[wrong])]
    called = predict(network, missed, task.dtype).argmax(1).cpu().numpy()
    return {
        "taught": len(rows),
        "taught_wrong": int(wrong.sum()),
        "taught_confusions": statistics.largest_confusions(confusion_matrix(true, labels, labels=range(10))),
        "taught_wrong_repeated": float((called == labels[wrong]).mean()),
    }
