"""The grid of ablations: what is changed, what comes out, and what stands in the report."""

import os
from unittest import mock

import joblib
import pandas as pd
import pytest
import yaml
from distributed import Client, LocalCluster

from simclr import files
from simclr.errors import UserError
from simclr.experiment import ablations, origins
from simclr.experiment.params import SOURCE

GROUP = {"variant": "source", "methods": ["probe"], "points": {"all": {}}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"views": GROUP | {"methods": ["prob"]}}, r"views\.methods\.0: Input should be 'baseline'"),
        ({"views": GROUP | {"change": {}}}, r"views\.change: Extra inputs are not permitted"),
        ({"views": GROUP, "training": GROUP}, r"training: two points are called 'all'"),
    ],
)
def test_a_mistake_in_the_grid_is_one_line(content, message, tmp_path):
    file = tmp_path / "ablations.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(UserError, match=message) as caught:
        ablations.grid(file)
    assert "\n" not in str(caught.value) and "ablations.yaml" in str(caught.value)


SMALL = {
    "common": {"draws": [0], "n_labels": [10], "test_images": 200, "curve_test_images": 100},
    "views": {"batch_size": 64},
}
FEW = {"seeds": [0], "epochs": 1, "warmup_epochs": 0.5, "batch_size": 64}
FEW |= {"unlabelled_images": 256, "validation_images": 128}


def probes(name: str, **change) -> ablations.Point:
    changes = {"pretrain": FEW | change}
    return ablations.Point("views", name, SOURCE, ["probe"], SMALL | changes)


@pytest.mark.slow
def test_a_dask_cluster_may_share_the_points_and_what_is_known_is_kept(tmp_path, monkeypatch):
    points = [probes("all"), probes("bad", rotation=-1.0), probes("none", rotation=0.0)]
    file = tmp_path / "ablations.csv"
    monkeypatch.setattr(ablations, "RESULTS", file)
    monkeypatch.setattr(ablations, "grid", lambda: points)
    with mock.patch.dict(os.environ):  # in which Dask leaves one thread for all that comes after
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
            with pytest.raises(UserError, match=r"^ablations: bad: .*rotation"):
                ablations.measure()
            assert not file.exists()
            del points[1]
            found = ablations.measure()
    assert list(found.point.unique()) == ["all", "none"]
    assert found.accuracy.between(0, 1).all() and found.key.is_unique
    expected = [run.job.key for run in points[1].runs(points[1].study())]
    assert list(found.key[found.point == "none"]) == expected
    written = file.read_text()
    edited = written.replace(f",{found.accuracy[0]},", ",0.125,", 1)  # to be told from one measured
    file.write_text(edited)
    points[1] = probes("none", rotation=1.0)
    again = ablations.measure()
    assert again.accuracy[0] == 0.125 and again.key[1] != found.key[1]
    more = points[0].changes | {"common": SMALL["common"] | {"draws": [0, 1]}}
    points[0] = points[0]._replace(changes=more)
    assert ablations.measure().accuracy[0] == 0.125 and len(pd.read_csv(file)) == 3


def test_the_committed_results_are_summed_up():
    found = pd.read_csv(ablations.RESULTS)
    numbers = ablations.numbers(found)
    assert len(numbers) == 2 * found.groupby(["point", "method"]).ngroups  # no two share a name
    rows = found[(found.point == "40,000 labels") & (found.method == "selftrain_encoder")]
    assert numbers["ablation_40_000_labels_selftrain_encoder"] == rows.accuracy.mean()
    source = ablations.networks(found)["mean"][0]
    assert source == pytest.approx(100 * numbers["ablation_rotation__crop_and_blur"])
    strengths = ablations.strengths(found).set_index(["view", "value"])["mean"]
    assert strengths["crop_scale", 1] == numbers["ablation_without_crop"]
    report = pd.read_csv(files.REPORTS / "results.csv").assign(point="report")
    leads = origins.leads(pd.concat([found, report]), 0.95)
    start = "ablation_other_starts_selftrain_"
    lead = 100 * (numbers[f"{start}pixels"] - numbers[f"{start}source"])
    assert leads["pixels_over_source"] == pytest.approx(lead)
    assert leads["pixels_over_source_low"] < lead < leads["pixels_over_source_high"]
    assert leads["ten_better_over_source_low"] > 0


def test_the_committed_results_are_those_of_this_code_and_grid():
    found, grid = pd.read_csv(ablations.RESULTS), ablations.grid()
    assert list(found.point.unique()) == [point.name for point in grid]
    for point in grid:
        rows = ablations.known(point, found)
        assert rows and all(rows.values()), point.name
