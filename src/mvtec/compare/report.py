"""Writes the one page of a comparison: summary, data, labels, detector, masks, baseline, comparison, how it was run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mvtec.compare.result import CLASSIFIER, DETECTOR, Contest
from mvtec.convert.geometry import split_mask
from mvtec.datasets.images import read_mask, read_photo
from mvtec.datasets.samples import GOOD, Sample
from mvtec.evaluate.answers import DEFAULT_THRESHOLD
from mvtec.evaluate.boxes import FIGURES, PER_CLASS, count_instances
from mvtec.evaluate.gallery import Card, make_cards, pixels_uri
from mvtec.evaluate.heat import read_heat
from mvtec.evaluate.mask_report import mask_rows, outline_path
from mvtec.evaluate.report import (
    CHART_WH,
    Curve,
    OperatingPoint,
    make_curve,
    operating_point,
    read_curves,
    template,
    worst_first,
)
from mvtec.files import read_json, staged_file

REPORT = "report.html"
_MOST_CARDS, _MOST_HEATS, _MOST_PAIRS, _MOST_MASKS = 24, 18, 24, 12
_HEAT_STRENGTH = 0.45
KINDS = {
    "class": "a box on a defect of another class",
    "location": "a box of the right class, badly placed (IoU 0.1 to 0.5)",
    "both": "another class and badly placed",
    "duplicate": "a second box on a defect that was found",
    "background": "a box where no defect is (IoU up to 0.1)",
    "missed": "a defect that no box is about",
}


@dataclass(frozen=True)
class HeatCard:
    """A photo with the classifier's heat, the outline of the truth as SVG path data, its answer and the share."""

    name: str
    size_wh: tuple[int, int]
    picture: str
    outline: str
    answer: str
    share: float | None


@dataclass(frozen=True)
class PairCard:
    """A photo on which the sides differ: the truth, both answers, and both pictures."""

    name: str
    truth: str
    detector: str
    classifier: str
    card: Card
    heat: HeatCard


def write_comparison(out: Path, contest: Contest, *, detector: Path, classifier: Path) -> Path:
    """Write `out/report.html`.

    Args:
        out: The comparison's folder.
        contest: What it found.
        detector: The run whose curves are shown; of a cross-validation those of the first fold are.
        classifier: The same of the classifier.

    Raises:
        BadPhotoError: A photo cannot be read.
    """
    comparison, judged = contest.comparison, contest.judged
    folder = out / CLASSIFIER
    cards = worst_first(make_cards(judged, contest.dataset.root, DEFAULT_THRESHOLD))
    scores = comparison.answers[DETECTOR].defect_score
    best_only = {path: max(scores[path], least) for path, least in contest.thresholds.items()}
    card_of = {card.name: card for card in make_cards(judged, contest.dataset.root, best_only)}
    samples = {sample.path: sample for sample in contest.samples}
    differing = [
        path for path in comparison.truth if len({side.classes[path] for side in comparison.answers.values()}) > 1
    ]
    coldest = sorted(contest.noticed, key=lambda path: (contest.noticed[path].share, path))[:_MOST_HEATS]
    figures = {name: comparison.figures[name].metrics for name in comparison.figures}
    metrics = contest.metrics
    page = template("compare.html.jinja").render(
        title=f"{contest.dataset.category}: detector and classifier on the same {len(contest.samples)} photos",
        contest=contest,
        verdict=verdict(contest, operating_point(cards, DEFAULT_THRESHOLD)),
        sides=[DETECTOR, CLASSIFIER],
        chart=CHART_WH,
        detector_curves=read_curves((out / "folds" / "fold0" if contest.folds else detector) / "results.csv"),
        classifier_curves=_history(folder if contest.folds else classifier),
        figures=[(definition.name, contest.boxes[definition.name]) for definition in FIGURES],
        per_class=PER_CLASS,
        classes_of_boxes=[
            (name, count, [contest.boxes[f"{figure}/{name}"] for figure in PER_CLASS])
            for name, count in count_instances(judged).items()
        ],
        kinds=KINDS,
        min_score=DEFAULT_THRESHOLD,
        cards=cards[:_MOST_CARDS],
        hidden_cards=max(0, len(cards) - _MOST_CARDS),
        mask_figures={
            name.removeprefix("masks/"): metric
            for name, metric in metrics.items()
            if name.startswith("masks/") and name.count("/") == 1
        },
        mask_rows=[] if contest.masks is None else mask_rows(*contest.masks, contest.dataset.root, _MOST_MASKS),
        heat_metrics={name: metrics[f"{CLASSIFIER}/{name}"] for name in ("heat_in_mask", "mask_share")},
        heats=[_heat_card(folder, samples[path], contest) for path in coldest],
        rows=[(name, [figures[DETECTOR][name], figures[CLASSIFIER][name]]) for name in figures[DETECTOR]],
        pairs=[
            PairCard(
                name=path,
                truth=comparison.truth[path],
                detector=comparison.answers[DETECTOR].classes[path],
                classifier=comparison.answers[CLASSIFIER].classes[path],
                card=card_of[path],
                heat=_heat_card(folder, samples[path], contest),
            )
            for path in differing[:_MOST_PAIRS]
        ],
        hidden_pairs=max(0, len(differing) - _MOST_PAIRS),
    )
    with staged_file(out / REPORT, overwrite=True) as staged:
        staged.write_text(page, encoding="utf-8")
    return out / REPORT


def verdict(contest: Contest, point: OperatingPoint) -> list[str]:
    """What was found, in a few sentences a quality engineer can act on."""
    comparison, n = contest.comparison, len(contest.samples)
    right = {
        side: sum(answers.classes[path] == label for path, label in comparison.truth.items())
        for side, answers in comparison.answers.items()
    }
    gain = comparison.difference.value or 0
    better, worse = (DETECTOR, CLASSIFIER) if gain > 0 else (CLASSIFIER, DETECTOR)
    named = f"Naming: the {better} gives {right[better]} of {n} photos their right class, the {worse} {right[worse]}"
    if comparison.p_value < 0.05:
        named += f"; the {better} is better by more than chance (McNemar p = {comparison.p_value:.3f})."
    else:
        named += f"; on {n} photos that may be chance (p = {comparison.p_value:.2f})."
    found = [
        named,
        f"Finding: only the detector says where. From score {point.min_score} on it finds {point.found} of "
        f"{point.instances} defects with {point.false_alarms} false boxes; its AP50 is {contest.boxes['AP50'].text()}.",
    ]
    good = [path for path, label in comparison.truth.items() if label == GOOD]
    if good:
        alarms = {
            side: sum(answers.classes[path] != GOOD for path in good) for side, answers in comparison.answers.items()
        }
        slips = {
            side: sum(answers.classes[path] == GOOD for path, label in comparison.truth.items() if label != GOOD)
            for side, answers in comparison.answers.items()
        }
        found.append(
            "Good or not: "
            + ", ".join(
                f"the {side} raises {alarms[side]} false alarms on {len(good)} good photos and passes {slips[side]} of "
                f"{n - len(good)} bad ones"
                for side in comparison.answers
            )
            + "."
        )
    kind, error = max(contest.errors.items(), key=lambda item: item[1].cost)
    if error.cost > 0:
        found.append(
            f"What would help the detector most: fewer errors of {kind}, {KINDS[kind]}: worth {error.cost:.2f} mAP50."
        )
    return found


def _history(run: Path) -> list[Curve]:
    """Loss and accuracy by epoch; of a cross-validation those of its first fold. Empty where nothing went by epochs."""
    path = run / "history.json"
    first = read_json(path, "the history of a training")[0] if path.is_file() else []
    return [make_curve(f"train {name}", [epoch[name] for epoch in first]) for name in (first[0] if first else ())]


def _heat_card(folder: Path, sample: Sample, contest: Contest) -> HeatCard:
    photo = read_photo(sample.photo)
    heat = read_heat(folder, sample.path, photo.shape[:2])
    if heat is not None:
        coloured = cv2.applyColorMap(np.asarray(heat * 255, np.uint8), cv2.COLORMAP_INFERNO)
        photo = np.asarray(cv2.addWeighted(photo, 1 - _HEAT_STRENGTH, coloured, _HEAT_STRENGTH, 0), np.uint8)
    share = contest.heat.get(sample.path)
    return HeatCard(
        name=sample.path,
        size_wh=(photo.shape[1], photo.shape[0]),
        picture=pixels_uri(photo),
        outline=outline_path(split_mask(read_mask(sample))) if sample.masks else "",
        answer=contest.comparison.answers[CLASSIFIER].classes[sample.path],
        share=None if share is None else share.share,
    )
