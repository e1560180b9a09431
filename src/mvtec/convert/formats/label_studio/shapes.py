"""The results of Label Studio as instances: brush strokes, rectangles, turned or not, ellipses and polygons.

Coordinates are percent of the photo. A rectangle is turned about its upper left corner, an ellipse about its centre,
both in pixels. A turned rectangle is the polygon of its corners, an ellipse the pixels whose centre it encloses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from mvtec.convert.formats.coco.files import FiniteFloat
from mvtec.convert.formats.coco.segmentation import region_of_polygons
from mvtec.convert.formats.label_studio.tasks import OF_A_PHOTO, Result
from mvtec.convert.instances import Instance
from mvtec.convert.pixels.brush import decode_brush
from mvtec.convert.shapes import ellipse_region, hull, outlined, turned


class _Value(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: FiniteFloat | None = None
    y: FiniteFloat | None = None
    width: FiniteFloat | None = None
    height: FiniteFloat | None = None
    radiusX: FiniteFloat | None = None  # noqa: N815 - the key of the format
    radiusY: FiniteFloat | None = None  # noqa: N815
    rotation: FiniteFloat = 0
    points: list[tuple[FiniteFloat, FiniteFloat]] | None = None
    rle: list[Annotated[int, Field(ge=0, le=255)]] | None = None


def is_shape(result: Result) -> bool:
    """Whether a result stands for an object, readable or not; else it says something of the photo or of a shape."""
    return result.type not in _BESIDE


def labels_of(result: Result, beside: Iterable[Result] = ()) -> list[str]:
    """The labels of a shape: its own, or those of the `labels` result of the same id.

    Raises:
        ValueError: They are not texts.
    """
    own = result.value.get(result.type if result.type.endswith("labels") else f"{result.type}labels")
    given = own or next((other.value.get("labels") for other in beside if other.type == "labels"), None) or []
    if not isinstance(given, list) or not all(isinstance(label, str) and label.strip() for label in given):
        raise ValueError("has labels that are not a list of names")
    return [label.strip() for label in given]


def read_result(result: Result, size_wh: tuple[int, int], beside: Iterable[Result] = ()) -> Instance:
    """A shape as an instance.

    Args:
        result: The result.
        size_wh: Width and height of the photo in pixels.
        beside: The other results of its id: its label, where it has none, and what was said of it.

    Raises:
        ValueError: It is not a shape with an area, has not one label, or marks no pixel of the photo; a pydantic
            ValidationError is one.
    """
    if item := (result.model_extra or {}).get("item_index"):
        raise ValueError(f"was drawn on page {item + 1 if isinstance(item, int) else item} of a task of several photos")
    kind = result.type.removesuffix("labels")
    if kind not in _SHAPES:
        raise ValueError(f"{result.type} is not a brush, rectangle, ellipse or polygon")
    if result.image_rotation:
        raise ValueError(f"was drawn on the photo turned by {result.image_rotation:g} degrees")
    if result.original_width and result.original_height and (result.original_width, result.original_height) != size_wh:
        raise ValueError(f"was drawn on {result.original_width}×{result.original_height} pixels")
    beside = list(beside)
    labels = labels_of(result, beside)
    if len(labels) != 1:
        raise ValueError(f"has {len(labels)} labels, and one is wanted")
    instance = _SHAPES[kind](labels[0], _Value.model_validate(result.value), size_wh)
    if instance is None:
        raise ValueError("marks no pixel of the photo")
    return replace(instance, attributes=_attributes(beside))


def is_painted(result: Result) -> bool:
    """Whether COCO has no such shape, so that its pixels are written: an ellipse, or a rectangle that is turned."""
    rotation = result.value.get("rotation") or 0
    kind = result.type.removesuffix("labels")
    return kind == "ellipse" or (kind == "rectangle" and isinstance(rotation, int | float) and rotation % 90 != 0)


def _attributes(beside: Iterable[Result]) -> Mapping[str, Any]:
    """What was said of a shape, by the name of the tool that asked for it."""
    said = {one.from_name or one.type: one.value.get(one.type) for one in beside if one.type in OF_A_PHOTO}
    return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in said.items()}


def _read_brush(label: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    if value.rle is None:
        raise ValueError("has a brush without strokes")
    region = decode_brush(value.rle, size_wh[::-1])
    return None if region is None else Instance.of(label, region)


def _read_rectangle(label: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    x, y, width, height = value.x, value.y, value.width, value.height
    if x is None or y is None or width is None or height is None or not (width > 0 and height > 0):
        raise ValueError("is a rectangle without area")
    scale_x, scale_y = size_wh[0] / 100, size_wh[1] / 100
    left, top, w, h = (round(number, 4) for number in (x * scale_x, y * scale_y, width * scale_x, height * scale_y))
    return turned(label, (left, top, w, h), value.rotation, (left, top), size_wh)


def _read_ellipse(label: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    if value.x is None or value.y is None or value.radiusX is None or value.radiusY is None:
        raise ValueError("is an ellipse without area")
    scale_x, scale_y = size_wh[0] / 100, size_wh[1] / 100
    centre, radii = (value.x * scale_x, value.y * scale_y), (value.radiusX * scale_x, value.radiusY * scale_y)
    region = ellipse_region(centre, radii, value.rotation, size_wh)
    return None if region is None else Instance.of(label, region)


def _read_polygon(label: str, value: _Value, size_wh: tuple[int, int]) -> Instance | None:
    points = [number * side / 100 for point in value.points or [] for number, side in zip(point, size_wh, strict=True)]
    return outlined(label, region_of_polygons([points], size_wh[::-1]), hull(points), size_wh)


_SHAPES: dict[str, Callable[[str, _Value, tuple[int, int]], Instance | None]] = {
    "brush": _read_brush,
    "ellipse": _read_ellipse,
    "polygon": _read_polygon,
    "rectangle": _read_rectangle,
}
_BESIDE = OF_A_PHOTO | {"labels", "relation"}
