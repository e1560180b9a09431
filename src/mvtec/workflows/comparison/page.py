"""Writes the one page of a comparison: summary, data, labels, detector, masks, baseline, comparison, how it was run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.pixels.geometry import split_mask
from mvtec.datasets.images import read_photo
from mvtec.datasets.masks import read_mask
from mvtec.datasets.samples import GOOD, Sample
from mvtec.evaluate.anomaly_maps import MapShare, overlay_map, read_map
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
from mvtec.workflows.comparison.result import ANOMALY, CLASSIFIER, DETECTOR, SPOKEN, ComparisonResult

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
class MapCard:
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
    heats: dict[str, tuple[MapCard, bool]]


def write_comparison(out: Path, result: ComparisonResult, *, detector: Path, classifier: Path) -> Path:
    """Write `out/report.html`.

    Args:
        out: The comparison's folder.
        result: What it found.
        detector: The run whose curves are shown; of a cross-validation those of the first fold are.
        classifier: The same of the classifier.

    Raises:
        BadPhotoError: A photo cannot be read.
    """
    comparison, judged = result.comparison, result.judged
    cards = worst_first(make_cards(judged, result.dataset.root, result.thresholds))
    scores = comparison.answers[DETECTOR].defect_score
    best_only = {path: max(scores[path], least) for path, least in result.thresholds.items()}
    card_of = {card.name: card for card in make_cards(judged, result.dataset.root, best_only)}
    samples = {sample.path: sample for sample in result.samples}
    differing = differing_photos(result)
    counts_from = set(result.thresholds.values())
    coldest = sorted(result.noticed, key=lambda path: (result.noticed[path].share, path))[:_MOST_HEATS]
    figures = {name: comparison.figures[name].metrics for name in comparison.figures}
    if result.unlike is not None:
        figures[ANOMALY] = {name: result.unlike.metrics[name] for name in WHOLE}
    metrics, of_class = result.metrics, per_class(judged.max_detections)
    photos = counted(len(result.samples), "photo")
    page = template("compare.html.jinja").render(
        title=f"{result.dataset.category}: {_all_of(list(figures))} on the same {photos}",
        result=result,
        verdict=verdict(result, cards),
        points=result.points,
        drawn=min(counts_from) if len(counts_from) == 1 else None,
        sides=list(figures),
        naming=[DETECTOR, CLASSIFIER],
        chart=CHART_WH,
        detector_curves=read_curves((out / "folds" / "fold0" if result.folds else detector) / "results.csv"),
        classifier_curves=_history(out / CLASSIFIER if result.folds else classifier),
        figures=[(name, metric) for name, metric in result.boxes.items() if "/" not in name and name != OF_PHOTOS],
        per_class=of_class,
        classes_of_boxes=[
            (name, count, [result.boxes[f"{figure}/{name}"] for figure in of_class])
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
        mask_rows=[] if result.masks is None else mask_rows(*result.masks, result.dataset.root, _MOST_MASKS),
        heat_metrics={name: metrics[f"{CLASSIFIER}/{name}"] for name in ("heat_in_mask", "mask_share")},
        places=_places(result),
        heats=[_heat_card(out, CLASSIFIER, samples[path], result) for path in coldest],
        rows=[(name, [figures[side][name] for side in figures if name in figures[side]]) for name in figures[DETECTOR]],
        pairs=[
            PairCard(
                name=path,
                truth=comparison.truth[path],
                detector=comparison.answers[DETECTOR].classes[path],
                card=card_of[path],
                heats={
                    side: (_heat_card(out, side, samples[path], result), _is_right(result, side, path))
                    for side in result.calls
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


def verdict(result: ComparisonResult, cards: list[Card]) -> list[str]:
    """What was found, in a few sentences a quality engineer can act on; `cards` are of the boxes that count."""
    comparison, n = result.comparison, len(result.samples)
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
    if result.unlike is not None:
        aupro = result.unlike.metrics["aupro"].text()
        where = f"the detector draws boxes; the anomaly detector, which has seen no defect, gives heat (AUPRO {aupro})"
    instances, missed = sum(card.instances for card in cards), sum(card.missed for card in cards)
    false = sum(card.false_boxes for card in cards)
    found = [
        named,
        f"Finding: {where}. With boxes that count from score {result.threshold_text} the detector finds "
        f"{instances - missed} of {counted(instances, 'defect')} with {false} false box{'' if false == 1 else 'es'}; "
        f"its AP50 is {result.boxes['AP50'].text()}.",
    ]
    good = [path for path, label in comparison.truth.items() if label == GOOD]
    if good:
        alarms = {side: sum(said[path] != GOOD for path in good) for side, said in result.calls.items()}
        slips = {
            side: sum(said[path] == GOOD for path, label in comparison.truth.items() if label != GOOD)
            for side, said in result.calls.items()
        }
        found.append(
            "Good or not: "
            + ", ".join(
                f"the {SPOKEN[side]} raises {counted(alarms[side], 'false alarm')} on "
                f"{counted(len(good), 'good photo')} and passes "
                f"{slips[side]} of {n - len(good)} bad ones"
                for side in result.calls
            )
            + "."
        )
    kind, error = max(result.errors.items(), key=lambda item: item[1].cost)
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


def _heat_card(out: Path, side: str, sample: Sample, result: ComparisonResult) -> MapCard:
    photo = read_photo(sample.photo)
    heat = read_map(out / side, sample.path, (photo.shape[0], photo.shape[1]))
    shares: dict[str, MapShare] = result.heat
    if side == ANOMALY and result.unlike is not None:
        shares = result.unlike.heat
    share = shares.get(sample.path)
    return MapCard(
        name=sample.path,
        size_wh=(photo.shape[1], photo.shape[0]),
        picture=pixels_uri(overlay_map(photo, heat)),
        outline=outline_path(split_mask(read_mask(sample))) if sample.masks else "",
        answer=result.calls[side][sample.path],
        share=None if share is None else share.share,
    )


def _is_right(result: ComparisonResult, side: str, path: str) -> bool:
    """Whether a side gives a photo its class; the anomaly detector, whether it is good."""
    said, truth = result.calls[side][path], result.comparison.truth[path]
    return (said == GOOD) == (truth == GOOD) if side == ANOMALY else said == truth


def differing_photos(result: ComparisonResult) -> list[str]:
    """The photos on which the sides differ: what one alone names right first, and of those the good ones."""
    comparison = result.comparison
    alone = {*comparison.only_first, *comparison.only_second}
    differing = [path for path in comparison.truth if _differ(result, path)]
    return sorted(differing, key=lambda path: (path not in alone, comparison.truth[path] != GOOD, path))


def _differ(result: ComparisonResult, path: str) -> bool:
    """Whether the sides that name classes name others, or one calls a photo good that another does not."""
    named = {answers.classes[path] for answers in result.comparison.answers.values()}
    return len(named) > 1 or len({said[path] == GOOD for said in result.calls.values()}) > 1


def _places(result: ComparisonResult) -> list[tuple[str, dict[str, Metric]]]:
    """What there is to say of where a side's heat lies, by side."""
    prefix = f"{CLASSIFIER}/"
    shares = {name: result.metrics[prefix + name] for name in ("heat_in_mask", "mask_share")}
    found = [("classifier, Grad-CAM", shares)]
    if result.unlike is not None:
        found.append(("anomaly", result.unlike.metrics))
    return found


def _all_of(names: list[str]) -> str:
    """`detector and classifier`, or `detector, classifier and anomaly detector`."""
    spoken = [SPOKEN[name] for name in names]
    return f"{', '.join(spoken[:-1])} and {spoken[-1]}"
