"""The committed report is of this checkout's code and parameters, and README.md says what it says."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from simclr import augment, data, fetch, files
from simclr.experiment import ablations, elsewhere, origins
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Study
from simclr.report import publish, style

README = (files.ROOT / "README.md").read_text()


def test_the_committed_report_is_of_this_checkouts_code_and_parameters():
    """By what its notebooks were executed and exported with, computed for the machine that built it."""
    study = Study()
    study.environment = files.read_json(files.REPORTS / "provenance.json")["environment"]
    assert publish.is_current(study), "run `make report`"


def test_the_committed_page_is_small_and_no_sentence_of_it_is_contradicted_by_its_numbers():
    page = (files.REPORTS / "report.html").read_bytes()
    assert len(page) < 8_000_000 and b"Different in this build" not in page


def test_the_table_of_accuracies_is_that_of_the_committed_report():
    table = pd.read_csv(files.REPORTS / "tables" / "accuracy.csv")
    table = table[table.n_labels == table.n_labels.max()].set_index("method")
    rows = re.findall(r"^\| ([^|]+?) \| ([\d.]+) ± ([\d.]+) \| ([\d.]+) \|$", README, re.M)
    keys = {method.name: method.key for method in METHODS.values()}
    assert {m.name for m in METHODS.values() if m.overview} <= {row[0] for row in rows}
    for name, mean, sd, worst in rows:
        method = keys[name]
        shown = [f"{100 * table.loc[method, column]:.2f}" for column in ("mean", "sd", "worst")]
        assert [mean, sd, worst] == shown


def test_the_readme_says_what_clothes_and_other_encoders_and_starts_gave():
    tried, numbers = pd.read_csv(ablations.RESULTS), files.read_json(files.REPORTS / "numbers.json")
    tables = [ablations.summary(tried, group) for group in ("clothes", "both")]
    table = pd.concat(tables).drop_duplicates("method").set_index("method")
    for method in ("probe_neighbours", "selftrain_encoder", "selftrain_both"):
        assert "{mean:.1%} ± {sd:.1%}".format(**table.loc[method]).replace("% ±", " ±") in README
    assert f"passes {table.loc['baseline', 'mean']:.1%}" in README
    found = numbers | ablations.numbers(tried)
    for name in ("second_seed", "third_seed", "100_labels"):
        assert f"{found[f'ablation_{name}_selftrain_encoder']:.2%}" in README
    first = tried[(tried.point == "encoder alone") & (tried.method == "selftrain_encoder") & (tried.draw < 3)]
    assert f"where it had {first.accuracy.mean():.2%}" in README
    builds = pd.read_csv(elsewhere.BUILDS).set_index("method").loc["selftrain_encoder"]
    for build in ("H100", "H100 (2)"):
        assert f"{builds[build]:.2%}" in README
    ten = found["ablation_both_graphs__ten_labels_selftrain"]
    says = f"about **{found['selftrain']:.2%}** of the test images rightly, and {ten:.2%} with only ten"
    assert says in README
    for name, *cells in origins.table(found).set_index("neighbours by").itertuples():
        shown = ["–" if np.isnan(cell) else style.accuracy(cell).rstrip("%") for cell in cells]
        assert f"| {name} | {' | '.join(shown)} |" in README


@pytest.mark.parametrize(
    ("column", "machine"), [(2, "amd-epyc-2-fp32"), (3, "amd-epyc-2-bf16"), (4, "nvidia-h100-bf16")]
)
def test_the_readme_says_what_the_benchmark_measured(column, machine):
    found = files.read_json(files.ROOT / f"benchmarks/results/{machine}.json")
    ours, *peers = [row["views_per_second"] for row in found["throughput"]]
    roofline = found["roofline"]
    cells = [f"{ours:.0f}", *(f"{peer:.0f} (× {ours / peer:.1f})" for peer in peers)]
    cells.append(f"{roofline['bound_seconds'] / roofline['step_seconds']:.0%}")
    for row in found["time_to_accuracy"]:
        mean = pd.DataFrame(row["runs"]).mean()
        cells.append(f"{mean.accuracy:.1%} after {mean.seconds:.0f} s")
    table = README[README.index("| | without bf16 | with bf16 |") :].split("\n\n")[0]
    assert [line.split("|")[column].strip() for line in table.splitlines()[2:]] == cells


def test_the_readmes_lines_of_python_run():
    """Those for the classifier, which must know digits, and those for a step of SimCLR, which must learn."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    (use,) = (block for block in blocks if "load_classifier" in block)
    (copy,) = (block for block in blocks if "nt_xent" in block)
    names: dict = {}
    exec(use, names)
    labels = data.labels(fetch.prepare("mnist"), "test")
    assert (names["digits"] == labels[:10]).all()
    some = augment.to_float(data.images(fetch.prepare("mnist"), "test")[:1000])
    with torch.no_grad():
        right = names["classifier"](some).argmax(1) == labels[:1000]
    assert right.float().mean() > 0.98
    exec(copy, names)
    losses = [names["step"](some[:64]) for _ in range(8)]
    assert losses[-1] < losses[0] - 0.1


def test_every_link_and_picture_of_the_readme_is_in_the_repository():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (files.ROOT / target).exists(), target


def test_every_make_target_that_the_readme_names_exists():
    makefile = (files.ROOT / "Makefile").read_text()
    stages = {path.stem[3:] for path in files.NOTEBOOKS.glob("*.ipynb")}
    for target in set(re.findall(r"`make ([a-z]+)|^make ([a-z]+)", README, re.M)):
        name = "".join(target)
        assert name in stages or re.search(rf"^{name}:", makefile, re.M), name
