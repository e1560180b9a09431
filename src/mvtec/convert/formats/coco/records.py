"""The records of COCO annotation files and results files, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):  # which pydantic reads as 0 and 1
        raise ValueError("should be a number, not true or false")
    return value


Id = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63), BeforeValidator(_no_truth_value)]
Pixels = Annotated[int, Field(gt=0, lt=1 << 31), BeforeValidator(_no_truth_value)]


class CocoImage(BaseModel):
    """An image of the file: `width` and `height` in pixels."""

    model_config = ConfigDict(extra="allow")

    id: Id
    file_name: Annotated[str, Field(min_length=1)]
    width: Pixels
    height: Pixels


class CocoCategory(BaseModel):
    """A class; for us a defect type."""

    model_config = ConfigDict(extra="allow")

    id: Id
    name: Annotated[str, Field(pattern=r"\S")]


class CocoAnnotation(BaseModel):
    """An instance: `bbox` is [x, y, width, height] in pixels, see `pixels/geometry.py`.

    `attributes` is what tools say of it, by name.
    """

    model_config = ConfigDict(extra="allow")

    id: Id
    image_id: Id
    category_id: Id
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    area: Annotated[FiniteFloat, Field(ge=0)]
    iscrowd: Annotated[int, Field(ge=0, le=1)] = 0
    segmentation: Any = None
    attributes: Any = None


@dataclass(frozen=True)
class UnreadableAnnotation:
    """An annotation that breaks a rule, kept for `coco_images`, which stops or leaves it out.

    Attributes:
        id: Its id, or its place in the list.
        image_id: Its image; None where that is not in the file.
        category: The name of its category, `unknown` where it has none.
        problem: What is wrong with it.
    """

    id: str
    image_id: int | None
    category: str
    problem: str


class CocoDataset(BaseModel):
    """A COCO annotation file."""

    model_config = ConfigDict(extra="allow")
    _unreadable: list[UnreadableAnnotation] = PrivateAttr(default_factory=list)

    info: dict[str, Any] = {}
    images: list[CocoImage]
    annotations: list[CocoAnnotation] = []
    categories: list[CocoCategory]

    def category_names(self) -> dict[int, str]:
        return {category.id: category.name for category in self.categories}

    @property
    def unreadable(self) -> list[UnreadableAnnotation]:
        """What was left out by `parse_coco` with `defer_errors`; empty otherwise."""
        return self._unreadable

    @unreadable.setter
    def unreadable(self, annotations: list[UnreadableAnnotation]) -> None:
        self._unreadable = annotations

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, as pycocotools wants them."""
        return self.model_dump(mode="json", exclude_none=True)


class CocoResult(BaseModel):
    """One detection of a COCO results file (https://cocodataset.org/#format-results)."""

    model_config = ConfigDict(extra="allow")

    image_id: Id
    category_id: Id
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    score: FiniteFloat
    area: Annotated[FiniteFloat, Field(ge=0)] | None = None
    segmentation: Any = None
    attributes: Any = None
