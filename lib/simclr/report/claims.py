"""What the source report claims, beside what was measured here, and what becomes of each claim.

The source's figures are quoted from S. Metin, M. Tremblay and F. Bertrand, *Rapport de projet de
Deep Learning*, 11 January 2026, sections 3 and 4; its confusions are of a single run, ours are means
over the label draws.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torchinfo
from scipy import stats

from simclr.experiment import statistics
from simclr.experiment.findings import Findings
from simclr.experiment.stages import CONTROL
from simclr.experiment.statistics import Estimate
from simclr.model import Classifier, Encoder
from simclr.report.style import written

REPRODUCED, EXCEEDED, DIFFERENT, UNDECIDED = "reproduced", "exceeded", "different", "undecided"
INF = float("inf")
WELL = (0, 1, 6, 7)  # classes that the baseline is said to recognise very well


@dataclass(frozen=True)
class Claim:
    """One sentence of the source.

    Attributes:
        text: the claim.
        source: the source's own figures.
        here: what was measured, with its interval; equal ends where there is none.
        band: the values that agree with the claim.
        tolerance: the band in words.
        shown: what was measured, in words.
        better: +1 where more than the band is better, -1 where less is, 0 where neither.
    """

    text: str
    source: str
    here: Estimate
    band: tuple[float, float]
    tolerance: str
    shown: str
    better: int = 0

    @property
    def verdict(self) -> str:
        """Reproduced where the interval lies inside the band, exceeded or different where it lies
        wholly outside, on the better or on the other side; else, and without one, undecided."""
        low, high = self.here.low, self.here.high
        if self.band[0] <= low and high <= self.band[1]:
            return REPRODUCED
        if low > self.band[1]:
            return EXCEEDED if self.better > 0 else DIFFERENT
        if high < self.band[0]:
            return EXCEEDED if self.better < 0 else DIFFERENT
        return UNDECIDED


def table(findings: Findings) -> pd.DataFrame:
    """A row a claim that this build can judge: verdict, claim, source, here, tolerance.

    Empty for another data set than the source's; without claims about numbers of labels that were
    not measured.
    """
    names = ["claim", "verdict", "source", "here", "tolerance"]
    if findings.study.dataset.key != "mnist":
        return pd.DataFrame(columns=names)
    judge = _Judge(findings)
    found = [*judge.network(), *judge.pretraining()]
    if {20, 100} <= set(findings.results.n_labels) and findings.summary.n_labels.max() == 100:
        found += [*judge.baseline(), *judge.probe(), *judge.finetuning()]
    rows = [(c.text, c.verdict, c.source, c.shown, c.tolerance) for c in found]
    return pd.DataFrame(rows, columns=names)


def tally(verdicts: pd.DataFrame) -> dict[str, int]:
    """How many claims there are, and how many of each verdict, by name."""
    counts = verdicts.verdict.value_counts()
    names = (REPRODUCED, EXCEEDED, DIFFERENT, UNDECIDED)
    return {"claims": len(verdicts)} | {name: int(counts.get(name, 0)) for name in names}


class _Judge:
    """Measures, for each claim, the same quantity here."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        methods = ("baseline", CONTROL, "probe", "finetune")
        self.counts = {method: findings.counts(method) for method in methods}  # (draws, 10, 10)

    def network(self) -> Iterator[Claim]:
        found = torchinfo.summary(Classifier(Encoder()), (1, 1, 28, 28), verbose=0)
        size, work = found.total_params, found.total_mult_adds / 1e6
        text = "The network has 1,677,674 parameters and 19.98 M multiply-adds"
        same = size == 1_677_674 and round(work, 2) == 19.98
        source = "1,677,674; 19.98 M"
        shown = f"{size:,}; {work:.2f} M (copied)"
        yield Claim(text, source, _exact(float(same)), (1, 1), "none", shown)

    def pretraining(self) -> Iterator[Claim]:
        n = self.findings.numbers
        ends = n["pretrain_loss_first"], n["pretrain_loss_last"]
        off = max(abs(ends[0] - 5.78), abs(ends[1] - 5.175))
        text = "The pre-training loss falls from 5.78 to a plateau of 5.17–5.18"
        shown = f"{ends[0]:.2f} → {ends[1]:.2f} (batch size and temperature chosen to match)"
        yield Claim(text, "5.78 → 5.17", _exact(off), (0, 0.15), "± 0.15 each", shown)
        text = "Training and validation loss are at most 0.05–0.07 apart"
        shown = (
            f"{n['pretrain_gap']:.2f} in the first epoch, whose training loss is a mean over all of it; "
            f"{n['pretrain_gap_later']:.2f} later"
        )
        yield Claim(text, "0.05–0.07", _exact(n["pretrain_gap"]), (0, 0.075), "up to 0.075", shown)
        rise = n["pretrain_validation_rise"]
        shown = f"validation loss ends {rise:.3f} above its lowest"
        text, source = "Pre-training does not over-fit", "curves stay close"
        yield Claim(text, source, _exact(rise), (0, 0.01), "up to 0.01 above", shown)

    def baseline(self) -> Iterator[Claim]:
        first = "Baseline with 100 labels: 80–85%"
        yield self._accuracy(first, "80–85%", "baseline", 100, (0.80, 0.85), "as stated")
        if 60 in set(self.findings.results.n_labels):
            gain = self._estimate(self._grid("baseline", 100) - self._grid("baseline", 60))
            text = "The baseline is on its plateau from about 60 labels on"
            shown, source = f"{_points(gain)} from 60 to 100", "flat from about 60"
            yield Claim(text, source, gain, (-INF, 0.02), "less than 2 points more", shown)
        text = "The baseline reaches about 60% with 20 labels"
        yield self._accuracy(text, "60%", "baseline", 20, (0.58, 0.62), "± 2 points")
        recalls = self._recalls("baseline")[:, WELL]
        worst = int(recalls.mean(0).argmin())
        lowest = self._estimate(recalls[:, worst])
        text = "The baseline recognises 0, 1, 6 and 7 very well"
        shown, source = f"lowest {_percent(lowest)} (class {WELL[worst]})", "923, 1109, 917, 928"
        yield Claim(text, source, lowest, (0.9, 1), "90% of each or more", shown)
        for i, j, count in ((4, 9, 100), (9, 4, 140), (8, 3, 91), (8, 9, 115)):
            yield self._main_confusion(i, j, count)

    def probe(self) -> Iterator[Claim]:
        first = "Linear probe with 100 labels: about 91%"
        yield self._accuracy(first, "91%", "probe", 100, (0.90, 0.92), "± 1 point")
        second = "The probe reaches 82% with 20 labels"
        yield self._accuracy(second, "82%", "probe", 20, (0.80, 0.84), "± 2 points")
        for n in (20, 100):
            yield self._varies_less(n)
        change, shown = self._change(5, 5)
        text = "The probe gets more 5s right"
        yield Claim(text, "793 → 843", change, (0, INF), "any rise", shown)
        falls = ((8, 3, "91 → 65"), (8, 9, "115 → 89"), (8, 5, "→ 14"), (9, 4, "140 → 60"))
        for i, j, source in falls:
            change, shown = self._change(i, j)
            text = f"{i}→{j} falls with the probe"
            yield Claim(text, source, change, (-INF, 0), "any fall", shown)
        nines = self._estimate(self.counts["probe"][:, 9, 9])
        text, shown = "The probe gets about 837 of the 9s right", f"{nines.mean:.0f}"
        yield Claim(text, "837", nines, (787, 887), "± 50", shown, better=1)
        gain = self._difference("probe", "baseline")
        control = self._difference(CONTROL, "baseline").mean
        text = "SimCLR gains 6 points over the baseline"
        shown = f"{_points(gain)}; the control gains {written(100 * control, '+.1f')}"
        yield Claim(text, "85% → 91%", gain, (0.045, 0.075), "± 1.5 points", shown, better=1)

    def finetuning(self) -> Iterator[Claim]:
        first = "Full fine-tuning: about 90%"
        yield self._accuracy(first, "90%", "finetune", 100, (0.89, 0.91), "± 1 point")
        gap = self._difference("finetune", "probe")
        text, source = "Fine-tuning is slightly below the probe", "90% < 91%"
        yield Claim(text, source, gap, (-INF, 0), "anything below", _points(gap))
        gaps = self._recalls("finetune") - self._recalls("probe")
        widest = int(np.abs(gaps.mean(0)).argmax())
        found = self._estimate(gaps[:, widest])
        text = "Fine-tuning and probe are comparable class by class"
        shown = f"recalls at most {_points(found)} apart (class {widest})"
        yield Claim(text, "comparable", found, (-0.05, 0.05), "± 5 points", shown, better=1)

    def _accuracy(self, text, source, method, n, band, tolerance) -> Claim:
        found = self._estimate(self._grid(method, n))
        return Claim(text, source, found, band, tolerance, _percent(found), better=1)

    def _main_confusion(self, i: int, j: int, count: int) -> Claim:
        """True i called j is as frequent as the tenth most frequent of the 90 errors."""
        counts = self.counts["baseline"]
        tenth = np.sort(counts.mean(0)[~np.eye(10, dtype=bool)])[-10]
        over = self._estimate(counts[:, i, j] - tenth)
        text = f"{i}→{j} is among the baseline's main confusions"
        ends = _interval(over.low + tenth, over.high + tenth, ".0f")
        shown = f"{counts[:, i, j].mean():.0f}{ends}; the tenth largest is {tenth:.0f}"
        return Claim(text, str(count), over, (0, INF), "the ten largest of 90", shown)

    def _varies_less(self, n: int) -> Claim:
        """The ratio of the deviations between draws, with the interval of the F distribution."""
        at = self.findings.summary[self.findings.summary.n_labels == n].set_index("method")
        ratio, df = at.sd["probe"] / at.sd["baseline"], at.draws["probe"] - 1
        width = stats.f.ppf((1 + self.findings.confidence) / 2, df, df) ** 0.5
        few = at.draws["probe"] < statistics.LEAST_DRAWS
        here = Estimate(ratio, *((np.nan, np.nan) if few else (ratio / width, ratio * width)), 1)
        text = f"The probe varies less between draws than the baseline, with {n} labels"
        sds = " against ".join(f"{100 * at.sd[m]:.2f}" for m in ("probe", "baseline"))
        shown = f"σ {sds} points"
        return Claim(text, "narrower band", here, (0, 1), "any less", shown, better=-1)

    def _grid(self, method: str, n: int) -> np.ndarray:
        return statistics.grid(self.findings.results, method, n).to_numpy()

    def _difference(self, a: str, b: str) -> Estimate:
        return self._estimate(self._grid(a, 100) - self._grid(b, 100))

    def _change(self, i: int, j: int) -> tuple[Estimate, str]:
        """From the baseline's count to the probe's, and that in words."""
        names = ("baseline", "probe", CONTROL)
        before, after, control = (self.counts[name][:, i, j] for name in names)
        change = self._estimate(after - before)
        ends = _interval(change.low, change.high, "+.0f")
        return (change, f"{before.mean():.0f} → {after.mean():.0f}{ends}; control {control.mean():.0f}")

    def _recalls(self, method: str) -> np.ndarray:
        """(draws, 10)."""
        counts = self.counts[method]
        return counts.diagonal(axis1=1, axis2=2) / counts.sum(2)

    def _estimate(self, values: np.ndarray) -> Estimate:
        return statistics.estimate(np.atleast_2d(values), self.findings.confidence)


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value, 1)


def _percent(found: Estimate) -> str:
    return f"{found.mean:.1%}{_interval(100 * found.low, 100 * found.high, '.1f')}"


def _points(found: Estimate) -> str:
    ends = _interval(100 * found.low, 100 * found.high, "+z.1f")
    return f"{written(100 * found.mean, '+.1f')} points{ends}"


def _interval(low: float, high: float, spec: str) -> str:
    """An interval in brackets; nothing where too few draws give none."""
    return "" if np.isnan(low) else f" [{low:{spec}}, {high:{spec}}]".replace("-", "−")
