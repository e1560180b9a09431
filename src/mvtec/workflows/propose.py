"""`mvtec segment propose`: what is unlike the good photos becomes annotations that a person can correct.

Where the heat of a photo is above the model's threshold there is a region, 8-connected; what of it is hotter than half
its hottest place is the proposal, because heat is blurred, and a glaring defect warms its neighbourhood. Several such
parts are several proposals; a defect in the glow of one more than twice as hot is not proposed. SAM's mask in the tight
box is its shape. The rule has no number of its own: the threshold is the one that good photos set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvtec.anomaly.model import AnomalyMap, score_of
from mvtec.anomaly.predict import AnomalyRun
from mvtec.convert.formats.coco.files import CocoAnnotation, CocoCategory, CocoDataset, write_coco
from mvtec.convert.pixels.geometry import Region, split_mask
from mvtec.convert.pixels.rle import encode_region
from mvtec.detect.source import read_source
from mvtec.evaluate.anomaly import DEFECT
from mvtec.evaluate.anomaly_maps import resize_map
from mvtec.files import check_output, sha256_file
from mvtec.segment.answers import Refined, RefineOptions
from mvtec.segment.embeddings import EmbeddingCache
from mvtec.segment.model import SamModel
from mvtec.segment.refine import refine


@dataclass(frozen=True)
class Proposed:
    """What came of it.

    Attributes:
        photos: Photos looked at.
        with_proposals: Those of them that have a proposal.
        proposals: How many there are.
        seen: Photos that the model has learnt from.
        refined: What SAM made of them; None where it was not asked.
    """

    photos: int
    with_proposals: int
    proposals: int
    seen: int
    refined: Refined | None


def propose(
    run: AnomalyRun,
    source: Path,
    out: Path,
    *,
    sam: SamModel | None,
    cache: EmbeddingCache | None = None,
    options: RefineOptions | None = None,
    overwrite: bool = False,
    on_photo: Callable[[int, int], None] = lambda _done, _total: None,
    on_mask: Callable[[int, int], None] = lambda _done, _total: None,
) -> Proposed:
    """Write COCO annotations of the one category `defect`.

    Each has a `score` from 0.5 at the threshold towards 1, h / (h + threshold) of the region's hottest place h, and
    `attributes`: `proposed_by` names the run; `source` is `anomaly` for the region itself and `sam` for SAM's mask.

    Args:
        run: The anomaly detector.
        source: A category, of which `test/` is taken, a folder of photos, or one photo.
        out: The file.
        sam: Gives the shapes; None to keep the regions.
        cache: Where SAM's embeddings are kept.
        options: How SAM is asked.
        overwrite: Replace what is there.
        on_photo: Called after each photo with the number done and the number there are.
        on_mask: The same for SAM.

    Raises:
        InputError: There is no photo, or one cannot be read.
        OutputError: `out` exists already or cannot be written.
    """
    check_output(out, overwrite=overwrite, inputs=[source])
    found = read_source(source)
    annotations: list[CocoAnnotation] = []
    seen = []
    for done, (photo, image) in enumerate(found.photos, start=1):
        if sha256_file(photo) in run.record.train_images:
            seen.append(image.file_name)
        size_hw = (image.height, image.width)
        for region, peak in hot_regions(run.model.anomaly_map(photo), run.model.threshold, size_hw):
            annotations.append(
                CocoAnnotation.model_validate(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image.id,
                        "category_id": 1,
                        "bbox": region.box_xywh,
                        "area": region.area,
                        "segmentation": encode_region(region, size_hw),
                        "score": round(peak / (peak + run.model.threshold), 5),
                        "attributes": {"source": "anomaly", "proposed_by": run.folder.resolve().name},
                    }
                )
            )
        on_photo(done, len(found.photos))
    content = CocoDataset(
        info={"description": f"Proposals of mvtec segment propose for {source.resolve().name}, not yet corrected"}
        | ({"seen_in_training": sorted(seen)} if seen else {}),
        images=[image for _, image in found.photos],
        annotations=annotations,
        categories=[CocoCategory(id=1, name=DEFECT)],
    )
    refined = None
    if sam is None:
        write_coco(out, content, overwrite=overwrite)
    else:
        with tempfile.TemporaryDirectory() as folder:
            regions = Path(folder) / out.name
            write_coco(regions, content, overwrite=False)
            refined = refine(
                regions,
                out,
                photos=found.root,
                model=sam,
                cache=cache,
                options=options,
                overwrite=overwrite,
                on_photo=on_mask,
            )
    return Proposed(
        photos=len(found.photos),
        with_proposals=len({annotation.image_id for annotation in annotations}),
        proposals=len(annotations),
        seen=len(seen),
        refined=refined,
    )


def hot_regions(heat: AnomalyMap, threshold: float, size_hw: tuple[int, int]) -> list[tuple[Region, float]]:
    """The regions of a photo that are above the threshold, in reading order, each cut down to what is hotter than half
    its hottest place, which may be several; with the heat of the hottest place of each.

    A photo whose score is above the threshold has one at least.

    Args:
        heat: float32 h×w.
        threshold: That of the model.
        size_hw: The photo's size in pixels.
    """
    if score_of(heat) <= threshold:
        return []
    scaled = resize_map(heat, size_hw)
    level = min(threshold, float(np.nextafter(scaled.max(), np.float32(-np.inf))))  # scaling may flatten a peak
    found = []
    for region in split_mask(scaled > level):
        x, y, w, h = region.box_xywh
        inside = np.where(region.crop, scaled[y : y + h, x : x + w], 0)
        for core in split_mask(inside > float(inside.max()) / 2):
            left, top, wide, high = core.box_xywh
            own = inside[top : top + high, left : left + wide][core.crop]
            moved = Region((left + x, top + y, wide, high), core.area, core.crop)
            found.append((moved, float(own.max())))
    return found
