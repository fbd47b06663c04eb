"""The grid of ablations: what is changed, what comes out, and what stands in the report."""

import os
from unittest import mock

import joblib
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from simclr import files
from simclr.errors import UserError
from simclr.experiment import ablations
from simclr.experiment.params import SOURCE
from simclr.experiment.study import Study


def test_every_point_has_a_name_of_its_own_and_changes_what_there_is():
    grid = ablations.grid()
    assert grid.point.is_unique and grid.change[0] == {} and all(grid.change[1:])
    for change in grid.change:
        Study("full", ablations.VARIANT, {"pretrain": change})
    assert len(ablations.numbers(grid.assign(accuracy=0.5))) == len(grid)


@pytest.mark.slow
def test_a_point_that_fails_is_named_and_the_others_are_measured(tmp_path, monkeypatch):
    grid = {"views": {"all": {}, "bad": {"rotation": -1.0}, "without rotation": {"rotation": 0.0}}}
    rows = [("views", point, change) for point, change in grid["views"].items()]
    table = pd.DataFrame(rows, columns=["group", "point", "change"])
    monkeypatch.setattr(ablations, "grid", lambda: table)
    monkeypatch.setattr(ablations, "results_file", lambda profile: tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"^ablations: bad: .*rotation"):
        ablations.measure("smoke")
    found = pd.read_csv(tmp_path / "a.csv")
    assert list(found.point.unique()) == ["all", "without rotation"]
    assert found.accuracy.between(0, 1).all() and found.key.is_unique
    study = Study("smoke", SOURCE, {"pretrain": {"rotation": 0.0}})
    expected = [run.job.key for run in ablations.runs(study)]
    assert list(found.key[found.point == "without rotation"]) == expected


@pytest.mark.slow
def test_a_dask_cluster_may_share_the_points(tmp_path, monkeypatch):
    rows = [("views", f"shear {i}", {"shear": 0.1 + i / 100}) for i in range(2)]
    table = pd.DataFrame(rows, columns=["group", "point", "change"])
    monkeypatch.setattr(ablations, "grid", lambda: table)
    monkeypatch.setattr(ablations, "results_file", lambda profile: tmp_path / "a.csv")
    with mock.patch.dict(os.environ):  # in which Dask leaves one thread for all that comes after
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
            found = ablations.measure("smoke")
    assert list(found.point.unique()) == ["shear 0", "shear 1"]


def test_the_committed_results_are_those_of_this_code_and_grid():
    found, grid = pd.read_csv(ablations.RESULTS), ablations.grid()
    assert list(found.point.unique()) == list(grid.point)
    common = Study("full", ablations.VARIANT).params["common"]
    for name, rows in found.groupby("point"):
        change = grid.change[grid.point == name].item()
        machine = rows.iloc[0][["device", "precision", "torch"]].to_dict()
        data = pd.read_json(files.REPORTS / "provenance.json", typ="series").environment["data"]
        environment = {**machine, "data": data, "balanced": common.balanced}
        study = Study("full", ablations.VARIANT, {"pretrain": change}, environment=environment)
        assert list(rows.key) == [run.job.key for run in ablations.runs(study)]
