"""What travels between the page and the server, checked with pydantic at the door.

A mask travels as `counts`, COCO's uncompressed run lengths over the whole photo, counted down the columns, beginning
with the pixels that are out of it. A box is [x, y, width, height] in pixels, see `convert/pixels/geometry.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from mvtec.convert.formats.coco.files import FiniteFloat
from mvtec.files import json_bytes
from mvtec.limits import MOST_PIXELS

MOST_ANNOTATIONS = 10_000  # of one photo
MOST_RUNS = 1_000_000  # of a mask
MOST_ROWS = 500  # of a list, at once
_MOST_ATTRIBUTES = 64 * 1024  # bytes, of one annotation


def _is_small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json_bytes(value)) > _MOST_ATTRIBUTES:
        raise ValueError("attributes are longer than 64 KiB")
    return value


Id = Annotated[int, Field(ge=-(2**53), le=2**53)]  # what JavaScript and SQLite both hold
State = Literal["good", "reviewed", "unsure"]
Order = Literal["name", "priority"]
Only = Literal["unlabelled", "disagrees", "low-score"]
Operation = Literal["fill-holes", "components", "merge", "outline"]
Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
Counts = Annotated[list[Annotated[int, Field(ge=0, le=MOST_PIXELS)]], Field(min_length=1, max_length=MOST_RUNS)]
Polygon = Annotated[list[list[FiniteFloat]], Field(min_length=1)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Attributes = Annotated[dict[str, Any], AfterValidator(_is_small)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BoxShape(_Strict):
    """A box without pixels."""

    kind: Literal["box"]
    bbox: Box


class MaskShape(_Strict):
    """Pixels."""

    kind: Literal["mask"]
    counts: Counts


class PolygonShape(_Strict):
    """Rings [x, y, x, y, …] in pixels; what they paint is pycocotools' say."""

    kind: Literal["polygon"]
    polygon: Polygon


class Edit(_Strict):
    """An annotation as the page wants it; `shape` None leaves it as it was."""

    key: Key
    category_id: Id
    attributes: Attributes = {}
    proposed: bool = False
    shape: Annotated[BoxShape | MaskShape | PolygonShape, Field(discriminator="kind")] | None = None


class PhotoEdit(_Strict):
    """All annotations of a photo as the page wants them, the revision this is based on, and the size the page shows."""

    revision: Id
    change: Key
    client: Key
    state: State | None = None
    size_wh: tuple[int, int] | None = None
    annotations: Annotated[list[Edit], Field(max_length=MOST_ANNOTATIONS)]


class Shape(BaseModel):
    """Pixels, with their tight box; `polygon` where they are those of a polygon."""

    bbox: Box
    area: float
    counts: list[int] | None
    polygon: list[list[float]] | None = None


class Annotation(Shape):
    """An annotation as the page sees it; `problem` is why only its box can be shown."""

    key: str
    category_id: int
    score: float | None
    attributes: dict[str, Any]
    proposed: bool
    problem: str | None = None


class Photo(BaseModel):
    """A photo, at one of its revisions."""

    id: int
    name: str
    version: str
    width: int
    height: int
    state: State | None
    revision: int
    annotations: list[Annotation]


class Row(BaseModel):
    """A photo in a list; `priority` is the review priority, 0 to 1: see `priority.py`."""

    id: int
    name: str
    state: State | None
    labels: int
    proposals: int
    priority: float
    version: str


class PhotoOrder(BaseModel):
    """The numbers of all photos that a filter lets through, as they are sorted."""

    ids: list[int]


class RowsOf(_Strict):
    """Of which photos the rows are wanted."""

    ids: Annotated[list[Id], Field(max_length=MOST_ROWS)]


class Rows(BaseModel):
    """The rows, in the order of the question; photos that are not there have none."""

    photos: list[Row]


class Category(BaseModel):
    """A class."""

    id: int
    name: str


class Categories(BaseModel):
    """All classes."""

    categories: list[Category]


class CategoryName(_Strict):
    """A name for a class."""

    name: Name


class Saved(BaseModel):
    """How the annotation file stands to the store; `problem` is why it cannot be written at the moment."""

    file: str
    unsaved: bool
    saved_at: str | None
    problem: str | None


class SamState(BaseModel):
    """Whether SAM is there, and if not, why."""

    available: bool
    model: str | None
    reason: str | None


class Session(Saved):
    """What the page must know to begin."""

    name: str
    store: str
    photos: int
    sam: SamState
    categories: list[Category]
    threshold: float
    notes: list[str]


class Here(_Strict):
    """Which photo a browser has open."""

    client: Key
    photo: Id | None = None


class Others(Saved):
    """How many other browsers have the same photo open, its newest revision, and all classes."""

    others: int
    revision: int | None
    categories: list[Category]


class Prepare(_Strict):
    """Photos that are likely to be opened next."""

    next: Annotated[list[Id], Field(max_length=8)] = []


class Point(_Strict):
    """A point of the object, or beside it, in pixels."""

    x: FiniteFloat
    y: FiniteFloat
    positive: bool = True


class Prompt(_Strict):
    """What SAM is shown: a box, points, or both; `client` names the page that asks."""

    client: Key | None = None
    box: Box | None = None
    points: Annotated[list[Point], Field(max_length=200)] = []


class SamShape(Shape):
    """SAM's answer."""

    predicted_iou: float
    stability: float
    model: str


class ShapesQuestion(_Strict):
    """Masks to work on."""

    operation: Operation
    masks: Annotated[list[Counts], Field(min_length=1, max_length=200)]


class Shapes(BaseModel):
    """What came of it."""

    shapes: list[Shape]


class Version(BaseModel):
    """A revision in the list of a photo's history."""

    revision: int
    at: str
    client: str
    state: State | None
    labels: int
    proposals: int
    what: str


class History(BaseModel):
    """The revisions of a photo, the newest first; `dropped` is how many of the oldest are kept no more."""

    versions: list[Version]
    dropped: int
