"""Writes the one page of a comparison: summary, data, labels, detector, masks, baseline, comparison, how it was run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.pixels.geometry import split_mask
from mvtec.datasets.images import read_photo
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import GOOD, Sample
from mvtec.evaluate.anomaly_maps import HeatShare, heat_over, read_heat
from mvtec.evaluate.boxes import OF_PHOTOS, count_instances, per_class
from mvtec.evaluate.report.detector_page import worst_first
from mvtec.evaluate.report.gallery import Card, make_cards, pixels_uri
from mvtec.evaluate.report.mask_page import mask_rows, outline_path
from mvtec.evaluate.report.page_templates import template
from mvtec.evaluate.report.training_curves import CHART_WH, Curve, make_curve, read_curves
from mvtec.evaluate.statistics.metric import Metric
from mvtec.files import staged_file
from mvtec.reading import read_json
from mvtec.words import counted
from mvtec.workflows.comparison.anomaly_side import WHOLE
from mvtec.workflows.comparison.result import ANOMALY, CLASSIFIER, DETECTOR, SPOKEN, Contest

REPORT = "report.html"
_MOST_CARDS, _MOST_HEATS, _MOST_PAIRS, _MOST_MASKS = 24, 18, 24, 12
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
    """A photo with a side's heat, the outline of the truth as SVG path data, its answer and the share in the mask."""

    name: str
    size_wh: tuple[int, int]
    picture: str
    outline: str
    answer: str
    share: float | None


@dataclass(frozen=True)
class PairCard:
    """A photo on which the sides differ: the truth, the boxes and what they say, and the heat of each other side.

    Attributes:
        name: The photo.
        truth: Its class.
        detector: What the detector calls it.
        card: The detector's picture.
        heats: By side the heat, and whether the answer is right.
    """

    name: str
    truth: str
    detector: str
    card: Card
    heats: dict[str, tuple[HeatCard, bool]]


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
    cards = worst_first(make_cards(judged, contest.dataset.root, contest.thresholds))
    scores = comparison.answers[DETECTOR].defect_score
    best_only = {path: max(scores[path], least) for path, least in contest.thresholds.items()}
    card_of = {card.name: card for card in make_cards(judged, contest.dataset.root, best_only)}
    samples = {sample.path: sample for sample in contest.samples}
    differing = differing_photos(contest)
    counts_from = set(contest.thresholds.values())
    coldest = sorted(contest.noticed, key=lambda path: (contest.noticed[path].share, path))[:_MOST_HEATS]
    figures = {name: comparison.figures[name].metrics for name in comparison.figures}
    if contest.unlike is not None:
        figures[ANOMALY] = {name: contest.unlike.metrics[name] for name in WHOLE}
    metrics, of_class = contest.metrics, per_class(judged.max_detections)
    photos = counted(len(contest.samples), "photo")
    page = template("compare.html.jinja").render(
        title=f"{contest.dataset.category}: {_all_of(list(figures))} on the same {photos}",
        contest=contest,
        verdict=verdict(contest, cards),
        points=contest.points,
        drawn=min(counts_from) if len(counts_from) == 1 else None,
        sides=list(figures),
        naming=[DETECTOR, CLASSIFIER],
        chart=CHART_WH,
        detector_curves=read_curves((out / "folds" / "fold0" if contest.folds else detector) / "results.csv"),
        classifier_curves=_history(out / CLASSIFIER if contest.folds else classifier),
        figures=[(name, metric) for name, metric in contest.boxes.items() if "/" not in name and name != OF_PHOTOS],
        per_class=of_class,
        classes_of_boxes=[
            (name, count, [contest.boxes[f"{figure}/{name}"] for figure in of_class])
            for name, count in count_instances(judged).items()
        ],
        kinds=KINDS,
        cards=cards[:_MOST_CARDS],
        hidden_cards=max(0, len(cards) - _MOST_CARDS),
        mask_figures={
            name.removeprefix("masks/"): metric
            for name, metric in metrics.items()
            if name.startswith("masks/") and name.count("/") == 1
        },
        mask_rows=[] if contest.masks is None else mask_rows(*contest.masks, contest.dataset.root, _MOST_MASKS),
        heat_metrics={name: metrics[f"{CLASSIFIER}/{name}"] for name in ("heat_in_mask", "mask_share")},
        places=_places(contest),
        heats=[_heat_card(out, CLASSIFIER, samples[path], contest) for path in coldest],
        rows=[(name, [figures[side][name] for side in figures if name in figures[side]]) for name in figures[DETECTOR]],
        pairs=[
            PairCard(
                name=path,
                truth=comparison.truth[path],
                detector=comparison.answers[DETECTOR].classes[path],
                card=card_of[path],
                heats={
                    side: (_heat_card(out, side, samples[path], contest), _is_right(contest, side, path))
                    for side in contest.calls
                    if side != DETECTOR
                },
            )
            for path in differing[:_MOST_PAIRS]
        ],
        hidden_pairs=max(0, len(differing) - _MOST_PAIRS),
    )
    with staged_file(out / REPORT, overwrite=True) as staged:
        staged.write_text(page, encoding="utf-8")
    return out / REPORT


def verdict(contest: Contest, cards: list[Card]) -> list[str]:
    """What was found, in a few sentences a quality engineer can act on; `cards` are of the boxes that count."""
    comparison, n = contest.comparison, len(contest.samples)
    right = {
        side: sum(answers.classes[path] == label for path, label in comparison.truth.items())
        for side, answers in comparison.answers.items()
    }
    gain = comparison.difference.value or 0
    better, worse = (DETECTOR, CLASSIFIER) if gain > 0 else (CLASSIFIER, DETECTOR)
    photos = counted(n, "photo")
    named = f"Naming: the {better} gives {right[better]} of {photos} the right class, the {worse} {right[worse]}"
    if right[better] == right[worse]:
        named = f"Naming: {better} and {worse} both give {right[better]} of {photos} the right class."
    elif comparison.p_value < 0.05:
        named += f"; the {better} is better by more than chance (McNemar {comparison.p_text})."
    else:
        named += f"; on {photos} that may be chance ({comparison.p_text})."
    where = "only the detector says where"
    if contest.unlike is not None:
        aupro = contest.unlike.metrics["aupro"].text()
        where = f"the detector draws boxes; the anomaly detector, which has seen no defect, gives heat (AUPRO {aupro})"
    instances, missed = sum(card.instances for card in cards), sum(card.missed for card in cards)
    false = sum(card.false_boxes for card in cards)
    found = [
        named,
        f"Finding: {where}. With boxes that count from score {contest.threshold_text} the detector finds "
        f"{instances - missed} of {counted(instances, 'defect')} with {false} false box{'' if false == 1 else 'es'}; "
        f"its AP50 is {contest.boxes['AP50'].text()}.",
    ]
    good = [path for path, label in comparison.truth.items() if label == GOOD]
    if good:
        alarms = {side: sum(said[path] != GOOD for path in good) for side, said in contest.calls.items()}
        slips = {
            side: sum(said[path] == GOOD for path, label in comparison.truth.items() if label != GOOD)
            for side, said in contest.calls.items()
        }
        found.append(
            "Good or not: "
            + ", ".join(
                f"the {SPOKEN[side]} raises {counted(alarms[side], 'false alarm')} on "
                f"{counted(len(good), 'good photo')} and passes "
                f"{slips[side]} of {n - len(good)} bad ones"
                for side in contest.calls
            )
            + "."
        )
    kind, error = max(contest.errors.items(), key=lambda item: item[1].cost)
    if error.cost > 0:
        found.append(
            f"What would help the detector most: fewer errors of {kind}, {KINDS[kind]}: worth {error.cost:.2f} mAP50 "
            "on these photos, a figure without an interval."
        )
    return found


def _history(run: Path) -> list[Curve]:
    """Loss and accuracy by epoch; of a cross-validation those of its first fold. Empty where fewer than two are."""
    path = run / "history.json"
    first = read_json(path, "the history of a training")[0] if path.is_file() else []
    return [
        make_curve(f"train {name}", [epoch[name] for epoch in first]) for name in (first[0] if len(first) > 1 else ())
    ]


def _heat_card(out: Path, side: str, sample: Sample, contest: Contest) -> HeatCard:
    photo = read_photo(sample.photo)
    heat = read_heat(out / side, sample.path, (photo.shape[0], photo.shape[1]))
    shares: dict[str, HeatShare] = contest.heat
    if side == ANOMALY and contest.unlike is not None:
        shares = contest.unlike.heat
    share = shares.get(sample.path)
    return HeatCard(
        name=sample.path,
        size_wh=(photo.shape[1], photo.shape[0]),
        picture=pixels_uri(heat_over(photo, heat)),
        outline=outline_path(split_mask(read_mask(sample))) if sample.masks else "",
        answer=contest.calls[side][sample.path],
        share=None if share is None else share.share,
    )


def _is_right(contest: Contest, side: str, path: str) -> bool:
    """Whether a side gives a photo its class; the anomaly detector, whether it is good."""
    said, truth = contest.calls[side][path], contest.comparison.truth[path]
    return (said == GOOD) == (truth == GOOD) if side == ANOMALY else said == truth


def differing_photos(contest: Contest) -> list[str]:
    """The photos on which the sides differ: what one alone names right first, and of those the good ones."""
    comparison = contest.comparison
    alone = {*comparison.only_first, *comparison.only_second}
    differing = [path for path in comparison.truth if _differ(contest, path)]
    return sorted(differing, key=lambda path: (path not in alone, comparison.truth[path] != GOOD, path))


def _differ(contest: Contest, path: str) -> bool:
    """Whether the sides that name classes name others, or one calls a photo good that another does not."""
    named = {answers.classes[path] for answers in contest.comparison.answers.values()}
    return len(named) > 1 or len({said[path] == GOOD for said in contest.calls.values()}) > 1


def _places(contest: Contest) -> list[tuple[str, dict[str, Metric]]]:
    """What there is to say of where a side's heat lies, by side."""
    prefix = f"{CLASSIFIER}/"
    shares = {name: contest.metrics[prefix + name] for name in ("heat_in_mask", "mask_share")}
    found = [("classifier, Grad-CAM", shares)]
    if contest.unlike is not None:
        found.append(("anomaly", contest.unlike.metrics))
    return found


def _all_of(names: list[str]) -> str:
    """`detector and classifier`, or `detector, classifier and anomaly detector`."""
    spoken = [SPOKEN[name] for name in names]
    return f"{', '.join(spoken[:-1])} and {spoken[-1]}"
