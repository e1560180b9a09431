"""A labelled data set as a Python object: its photos and instances, splits, COCO files and YOLO folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mvtec.convert.formats.yolo.label_lines import Task
from mvtec.convert.formats.yolo.write_folder import masks_to_yolo
from mvtec.convert.from_masks import InstanceOptions, label_samples
from mvtec.convert.instances import Instance, LabelledImage
from mvtec.convert.link_or_copy import ImagesBy
from mvtec.convert.masks_to_coco import masks_to_coco
from mvtec.convert.receipt import Receipt
from mvtec.datasets.images import read_photo
from mvtec.datasets.samples import Dataset
from mvtec.datasets.split import Split, make_split, untested
from mvtec.datasets.tree import read_tree
from mvtec.errors import warn_of


@dataclass(frozen=True, eq=False)
class LabelledDataset:
    """The labelled photos of a category, in the order of their paths; made by `read_dataset`.

    Its length is the number of photos. Iterating yields for each photo its path, the photo (uint8 RGB H×W×3) and its
    instances, none of which a photo without a defect has.

    Attributes:
        dataset: The photos and masks on disk.
        options: How masks become instances.
    """

    dataset: Dataset
    options: InstanceOptions

    @property
    def root(self) -> Path:
        """The folder."""
        return self.dataset.root

    @property
    def names(self) -> tuple[str, ...]:
        """The defect types, in the order of their class numbers."""
        return self.dataset.defects

    def __len__(self) -> int:
        """How many labelled photos there are; good photos that are set aside for learning do not count."""
        return len(self.dataset.labelled)

    def __iter__(self) -> Iterator[tuple[str, npt.NDArray[np.uint8], tuple[Instance, ...]]]:
        """Each photo's path relative to the folder, its pixels (uint8 RGB H×W×3), and its instances.

        What is odd about the masks, and how many instances `min_area` drops, is warned of at the end.
        """
        samples, receipt = self.dataset.labelled, Receipt("")
        labelled: Iterator[LabelledImage] = label_samples(
            self.dataset, samples, self.options, receipt, lambda image: image
        )
        for image in labelled:
            photo = read_photo(self.dataset.root / image.path)
            yield image.path, np.ascontiguousarray(photo[..., ::-1]), image.instances
        for sentence in receipt.warnings():
            warn_of(sentence)

    def split(
        self,
        *,
        per_class: int | None = None,
        test_fraction: float = 0.2,
        val_fraction: float = 0.0,
        folds: int = 0,
        seed: int = 0,
    ) -> Split:
        """Divide the photos into train, val and test; near-identical photos stay together.

        Args:
            per_class: How many photos of each class to draw first; None takes all.
            test_fraction: Share of each class that goes to test, 0 to 1.
            val_fraction: Share of each class that goes to val, 0 to 1.
            folds: Number of cross-validation folds to divide train into; 0 for none.
            seed: Seed of the draw.

        Raises:
            InputError: An option is out of its range, a mask belongs to no photo, or a photo cannot be read.
        """
        return make_split(
            self.dataset,
            per_class=per_class,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            folds=folds,
            seed=seed,
        )

    def to_coco(self, out: str | Path, *, split: Split | None = None, overwrite: bool = False) -> Receipt:
        """Write COCO annotations with lossless masks.

        Args:
            out: The file. With a split, one file for each part is named after it: `OUT_train.json` and so on.
            split: Which photos belong to which part.
            overwrite: Replace what is there.

        Returns:
            The receipt: what was written, and the IoU of each instance with what a reader gets back.

        Raises:
            InputError: A photo or mask breaks a rule.
            OutputError: `out` exists already or cannot be written.
        """
        return masks_to_coco(self.dataset, Path(out), split=split, options=self.options, overwrite=overwrite)[1]

    def to_yolo(
        self,
        out: str | Path,
        *,
        split: Split | None = None,
        task: Task = "detect",
        images: ImagesBy = "link",
        overwrite: bool = False,
    ) -> Receipt:
        """Write a folder that Ultralytics trains on.

        Args:
            out: The folder to make.
            split: Which photos belong to which part; None makes a fifth of each class test.
            task: Labels as boxes (`detect`) or polygons (`segment`).
            images: How the photos get there: `link`, `copy`, `hardlink`, or `any` that works.
            overwrite: Replace what is there.

        Returns:
            The receipt, as that of `to_coco`.

        Raises:
            InputError: A photo or mask breaks a rule, or there is no defect.
            OutputError: `out` exists already or cannot be written.
        """
        drawn = make_split(self.dataset) if split is None else split
        return masks_to_yolo(
            self.dataset,
            Path(out),
            split=drawn,
            task=task,
            images=images,
            options=self.options,
            notes=untested(self.dataset, drawn) if split is None else (),
            overwrite=overwrite,
        )


def read_dataset(
    path: str | Path,
    *,
    layout: str | None = None,
    merge_gap: int = 0,
    min_area: int = 0,
    threshold: int = 0,
) -> LabelledDataset:
    """Read a category with masks, in the layout of MVTec AD or another that `mvtec datasets info --help` lists.

    Args:
        path: The category's folder.
        layout: The layout; None recognises it.
        merge_gap: Join regions of a mask with at most this many background pixels between them.
        min_area: Drop instances of fewer pixels.
        threshold: Mask values above it are defect, 0 to 254.

    Raises:
        InputError: The folder is not there, or in no known layout; or an option is out of its range.
    """
    options = InstanceOptions(merge_gap=merge_gap, min_area=min_area, threshold=threshold)
    return LabelledDataset(read_tree(Path(path), layout), options)
