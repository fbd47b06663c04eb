"""The smallest study end to end: parameters, jobs, cache, notebooks, report, verification, claims."""

import json
from pathlib import Path

import numpy as np
import pytest

from simclr import data, files, hardware
from simclr.__main__ import main
from simclr.errors import UserError
from simclr.experiment import execute, provenance, session, similar, verify
from simclr.experiment.findings import Findings
from simclr.experiment.stages import METHODS, STAGES
from simclr.experiment.statistics import Estimate
from simclr.experiment.study import Study
from simclr.model import predict
from simclr.report import claims, publish
from simclr.weights import load_classifier


@pytest.fixture(scope="module")
def smoke() -> Study:
    """The smoke profile, trained, executed and exported."""
    main(["report", "--profile", "smoke"])
    return Study("smoke")


@pytest.mark.slow
def test_results_are_whole_and_numbers_are_those_of_the_tables(smoke: Study):
    found = Findings(smoke, "comparison")
    methods = {key for key, method in METHODS.items() if method.stage}
    assert set(found.results.method) == methods
    assert (found.results.accuracy == found.results.correct / found.results.n_test).all()
    top = found.with_most_labels(found.summary).set_index("method")
    for method in methods:
        assert found.numbers[method] == top.loc[method, "mean"]
    predicted = found.predicted("probe")
    right = (predicted == found.truth).sum(1)
    rows = found.with_most_labels(found.results)
    assert sorted(right) == sorted(rows[rows.method == "probe"].correct)


@pytest.mark.slow
def test_one_draw_and_one_number_of_labels_are_enough(smoke: Study):
    study = Study("smoke", changes={"common": {"draws": [0], "n_labels": [20]}})
    assert {job.kind for job in study.missing("comparison")} <= {"rates"}  # no classifier
    study.train("comparison")
    found, whole = Findings(study, "comparison"), Findings(smoke, "comparison")
    assert found.numbers["probe_fewest"] == found.numbers["probe"]
    assert found.predicted("selftrain").tolist() == whole.predicted("selftrain")[:1].tolist()


@pytest.mark.slow
def test_the_draws_with_the_fewest_sevens_called_twos_come_first(smoke: Study):
    found = Findings(smoke, "spread")
    island, labels = found.island(7, 2), data.labels(smoke.data, "pool").numpy()
    assert list(island.draw.sort_values()) == smoke.params["common"].draws
    assert island.errors.is_monotonic_increasing
    counts = found.counts("spread")[island.draw, 7, 2]  # among 10,000 test images
    np.testing.assert_allclose(island.errors * 10_000 / len(found.truth), counts)
    for draw, labelled in zip(island.draw, island.labelled, strict=True):
        with np.load(smoke.measurement(METHODS["spread"], 20, draw, 0).file("result.npz")) as result:
            mine = [row for row in result["labelled"] if labels[row] == 7]
        assert list(labelled) == mine


@pytest.mark.slow
def test_images_that_are_alike(smoke: Study):
    rows, found, shares = similar.similar(smoke, classes=3, k=4)
    labels = data.labels(smoke.data, "pool").numpy()
    assert list(labels[rows]) == [0, 1, 2] and list(found) == list(similar.MEASURES)
    assert (labels[found["pixels"][:, 0]] != labels[rows]).all()
    for indices in found.values():
        assert indices.shape == (3, 4) and indices.max() < similar.SAMPLE
        assert not (indices == rows[:, None]).any()  # none is its own neighbour
    assert shares.keys() == found.keys() and all(0.5 < share < 1 for share in shares.values())


@pytest.mark.slow
def test_what_is_up_to_date_is_neither_executed_nor_exported(smoke: Study, monkeypatch):
    """Else just what is not: a notebook of other parameters, or a page that is gone or was not finished."""
    target, done = publish.folder(smoke), []
    monkeypatch.setattr(execute, "_run", lambda study, stage: done.append(stage))
    monkeypatch.setattr(publish, "report", lambda study: done.append("export"))

    def asked() -> list[str]:
        done.clear()
        main(["report", "--profile", "smoke"])
        return list(done)

    def edited(file: Path, edit) -> list[str]:
        kept = file.read_bytes()
        try:
            edit(file)
            return asked()
        finally:
            file.write_bytes(kept)

    def of_other_parameters(file: Path) -> None:
        book = json.loads(file.read_text())
        book["metadata"]["simclr"]["made_of"]["parameters"] = "others"
        file.write_text(json.dumps(book))

    assert session.forecast(smoke, *STAGES) == "reads what is built." and asked() == []
    assert edited(execute.executed(smoke, "probe"), of_other_parameters) == ["probe"]
    assert edited(target / "notebooks" / "03_probe.ipynb", of_other_parameters) == ["export"]
    kept = [target / name for name in ("report.pdf", "tables/accuracy.csv", "provenance.json")]
    for file in (*kept, *target.glob("figures/fig-headline.svg"), smoke.folder / "probe.safetensors"):
        assert edited(file, Path.unlink) == ["export"]
    assert asked() == []


@pytest.mark.slow
def test_a_notebook_that_stops_is_not_taken_for_executed(smoke: Study, monkeypatch):
    file = execute.executed(smoke, "probe")
    kept, source = file.read_bytes(), json.loads(execute.notebook("probe").read_text())
    source["cells"].append({**source["cells"][1], "id": "last", "metadata": {}, "source": ["1 / 0"]})
    broken = smoke.folder / "03_probe.broken.ipynb"
    broken.write_text(json.dumps(source))
    monkeypatch.setattr(execute, "notebook", lambda stage: broken)
    monkeypatch.setattr(execute, "executed", lambda study, stage: file)
    try:
        with pytest.raises(UserError, match=r"probe: ZeroDivisionError.*\n.*03_probe.partial.ipynb"):
            execute.run(smoke, ["probe"])
        assert file.read_bytes() == kept
    finally:
        broken.unlink()


@pytest.mark.slow
def test_the_report_agrees_with_itself(smoke: Study):
    folder = files.RUNS / "smoke" / "source" / "report"
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "fig-headline" in (folder / "report.html").read_text()
    assert verify.compare(folder, folder) == 0
    device, dtype = hardware.pick()  # as it was measured, since two answers may be nearly equal
    images = data.images(smoke.data, "test")[:500].to(device)
    classifier = load_classifier(smoke.folder / "selftrain.safetensors").to(device)
    called = predict(classifier, images, dtype).argmax(1).cpu().numpy()
    assert (called == Findings(smoke, "comparison").predicted("selftrain")[0]).all()


def test_a_change_in_pre_training_chains_to_the_probe():
    changes = {"pretrain": {"temperature": 0.2}}
    plain, changed = Study("smoke"), Study("smoke", changes=changes)
    encoder = changed.encoder("pretrained", 0)
    probe = changed.measurement(METHODS["probe"], 10, 0, 0)
    assert probe.reads["encoder"].key == encoder.key != plain.encoder("pretrained", 0).key
    assert probe.key != plain.measurement(METHODS["probe"], 10, 0, 0).key
    baseline = METHODS["baseline"]
    assert changed.measurement(baseline, 10, 0, None).key == plain.measurement(baseline, 10, 0, None).key


@pytest.mark.parametrize(
    ("changes", "anew"),
    [({"pretrain": {"temperature": 0.2}}, [True, True]), ({"pretrain": {"rotation": 20.0}}, [True, False])],
)
def test_a_change_reaches_the_better_encoder_unless_its_own_sections_say_otherwise(changes, anew):
    plain, changed = Study("smoke"), Study("smoke", changes=changes)
    kinds = "pretrained", "neighbours"
    assert [changed.encoder(kind, 0).key != plain.encoder(kind, 0).key for kind in kinds] == anew


def test_results_of_another_machine_are_read_and_not_added_to(tmp_path):
    """`make train` on a machine with a GPU, its runs/ copied to one without."""
    here = Study("smoke", runs=tmp_path)
    assert here.environment["device"] == here.machine["device"]
    files.write_json(here.trained, {"device": "cuda", "precision": "bf16", "torch": "2.0"})
    there = Study("smoke", runs=tmp_path)
    assert there.environment["device"] == "cuda"
    assert there.encoder("pretrained", 0).key != here.encoder("pretrained", 0).key
    with pytest.raises(UserError, match=r"cuda, bf16, 2\.0.*make train PROFILE=smoke"):
        there.train("baseline")
    assert Study("quick", runs=tmp_path).environment == here.environment


def test_nothing_built_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "RUNS", tmp_path)
    with pytest.raises(UserError, match="make report PROFILE=quick"):
        session.open_study("probe")


def test_a_mistake_is_one_line(capsys):
    with pytest.raises(SystemExit) as end:
        main(["plan", "--variant", "none"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and "known: source" in said and said.startswith("error: ")


@pytest.mark.parametrize(
    "low, high, better, verdict",
    [
        (0.905, 0.915, 0, "reproduced"),
        (0.93, 0.95, 1, "exceeded"),
        (0.93, 0.95, 0, "different"),
        (0.80, 0.85, 1, "different"),
        (0.80, 0.85, -1, "exceeded"),
        (0.91, 0.95, 1, "undecided"),
        (np.nan, np.nan, 1, "undecided"),
    ],
)
def test_the_verdict_follows_interval_and_band(low, high, better, verdict):
    here = Estimate(0.91, low, high, 0.5)
    assert claims.Claim("", "", here, (0.90, 0.92), "", "", better).verdict == verdict


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": {"epochs": 1}}, "pretrain, views together: warmup_epochs: 1.0 with epochs: 1;"),
        ({"spread": {"neighbours": 50}}, "spread.neighbours: 50 with deformable.candidates: 40;"),
    ],
)
def test_sections_that_do_not_go_together_are_one_line(changes, message):
    with pytest.raises(UserError) as caught:
        Study("full", changes=changes)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_a_report_names_its_repository_and_no_password(monkeypatch):
    said = {"log": "0a1b2c3d", "remote": "https://me:secret@forge.org/us/simclr.git"}
    monkeypatch.setattr(provenance, "_ask", lambda command, *_: said[command])
    assert provenance.repository() == "https://forge.org/us/simclr.git, revision 0a1b2c3d"
    for said["remote"] in ("/home/me/simclr", None):
        assert provenance.repository() == "the repository of this file, revision 0a1b2c3d"
