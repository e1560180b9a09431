"""How often a 95 % interval of few photos holds the figure of all of them: how far the intervals can be trusted.

    python benchmarks/coverage.py [--data DIR] [--samples 400]

What detectors said of bottle's 83 photos is kept in `benchmarks/study/`. These photos stand for all there are: samples
of 16, 40 and 80 are drawn from them with replacement, any of them (`any`) or as many of each class (`stratified`). Each
is given an interval of 400 resamples as `mvtec evaluate boxes` does, and it is counted how often that holds the figure
of the 83. `expanded` are percentiles farther out by Student's t (Hesterberg 2015, "What teachers should know about the
bootstrap"), which mvtec does not use. `bias` is what the figure of a sample is above that of all, in the mean.

FPR95 has a value to compare with only where scores are drawn: normal distributions of bad and good photos, 1.5 to 4.5
standard deviations apart, of a few numbers of photos. Nothing is trained.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from scipy.stats import norm, t
from study import BOTTLE, FOLDS, judged_by, read_kept

from mvtec.datasets.split import make_split
from mvtec.datasets.tree import read_tree
from mvtec.evaluate.statistics.bootstrap import interval
from mvtec.evaluate.statistics.coco_metrics import FIGURES, Figure, Tables
from mvtec.evaluate.statistics.good_or_defect import false_alarms
from mvtec.evaluate.statistics.matching import CocoFigures, Floats, match
from mvtec.workflows.imbalance.configurations import write_truth

ARMS = ("starter-d1990eda", "starter+poisson-38f3f14d", "coco-5ecc9c80")
SIZES = (16, 40, 80)
RESAMPLES = 400


def expanded(values: Floats, photos: int) -> tuple[float, float]:
    """The percentiles that make up for the bootstrap's spread of few photos."""
    tail = 100 * norm.cdf(-np.sqrt(photos / (photos - 1)) * t.ppf(0.975, photos - 1))
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def draw(classes: list[str], photos: int, stratified: bool, rng: np.random.Generator) -> Floats:
    """float64 N: how often each photo is in a sample."""
    drawn = np.zeros(len(classes))
    groups = sorted(set(classes)) if stratified else [""]
    for group in groups:
        at = [number for number, name in enumerate(classes) if name.startswith(group)]
        drawn[at] = rng.multinomial(photos // len(groups), np.full(len(at), 1 / len(at)))
    return drawn


def measure(
    figure: Figure,
    matched: CocoFigures,
    classes: list[str],
    photos: int,
    stratified: bool,
    samples: int,
    rng: np.random.Generator,
) -> dict[str, object]:
    """The shares of samples whose intervals hold the figure of all photos, and the bias."""
    every = range(len(matched.names))
    real = Tables(matched, np.ones((1, len(classes)))).mean(figure, every)[0]
    held, above = np.zeros(2), []
    for _ in range(samples):
        sample = draw(classes, photos, stratified, rng)
        again = rng.multinomial(photos, sample / photos, size=RESAMPLES)
        values = Tables(matched, np.concatenate([sample[None], again])).mean(figure, every)
        above.append(values[0] - real)
        ends = interval(values[1:]), expanded(values[1:], photos)
        held += [pair is not None and pair[0] <= real <= pair[1] for pair in ends]
    shares = {"held": round(held[0] / samples, 3), "held_expanded": round(held[1] / samples, 3)}
    return {**shares, "bias": round(float(np.nanmean(above)), 3)}


def measure_false_alarms(gap: float, bad: int, good: int, samples: int, rng: np.random.Generator) -> dict[str, object]:
    """The share of samples whose interval of FPR95 holds its value, and how wide the interval is in the mean."""
    real = float(norm.sf(norm.ppf(0.05, gap)))
    defective = np.arange(bad + good) < bad
    held, widths = 0, []
    for seed in range(samples):
        scores = np.concatenate([rng.normal(gap, 1, bad), rng.normal(0, 1, good)])
        found = false_alarms(defective, scores, RESAMPLES, seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= real <= found.high
        widths.append(found.high - found.low)
    return {"FPR95": round(real, 3), "held": round(held / samples, 3), "width": round(float(np.mean(widths)), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=BOTTLE)
    parser.add_argument("--samples", type=int, default=400)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    for gap, (bad, good) in product((1.5, 2.5, 3.5, 4.5), ((12, 5), (60, 20), (60, 270), (300, 300))):
        print(
            json.dumps({"bad": bad, "good": good, **measure_false_alarms(gap, bad, good, arguments.samples, rng)}),
            flush=True,
        )
    dataset = read_tree(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        split = make_split(dataset, test_fraction=0, folds=FOLDS)
        truth = write_truth(dataset, split, Path(folder) / "truth.json")
        answers = {}
        for arm in ARMS:
            kept = Path(__file__).with_name("study") / f"{arm}.json.gz"
            answers[arm] = judged_by(read_kept(kept)["folds"], truth)
    rng = np.random.default_rng(0)
    for arm, judged in answers.items():
        matched = match(judged.truth_json, judged.results)
        classes = [image.file_name.split("/")[1] for image in judged.truth.images]
        for figure in (one for one in FIGURES if one.name in ("AP50", "AP")):
            for photos, stratified in product(SIZES, (False, True)):
                found = measure(figure, matched, classes, photos, stratified, arguments.samples, rng)
                drawn = "stratified" if stratified else "any"
                print(
                    json.dumps({"arm": arm, "figure": figure.name, "photos": photos, "drawn": drawn, **found}),
                    flush=True,
                )


if __name__ == "__main__":
    main()
