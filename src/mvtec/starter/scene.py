"""A drawn photo: a part with perhaps some defects, under some light, through some camera, and its boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.starter.mechanisms import MECHANISMS
from mvtec.starter.parts import PARTS, Mask, Part, draw_part
from mvtec.starter.surfaces import Image, cloud

NAMES = tuple(sorted(MECHANISMS))
_LEAST_CHANGE = 12.0  # grey levels: below, nobody sees it
_OVER_TEXTURE = 0.8  # times the standard deviation of the grey levels around it
_LEAST_AREA = 12  # pixels
_GOOD = 0.15  # of the photos are to have no defect; more have none, since what nobody would see is left out


@dataclass(frozen=True, eq=False)
class Scene:
    """A drawn photo.

    Attributes:
        photo: uint8 side×side×3, BGR.
        part: The part's name.
        mechanisms: Of each defect the number of its mechanism in `NAMES`.
        masks: Of each defect bool side×side, those of its own pixels that have visibly changed. What it does around
            them, as the shade of a dent, is not in it.
    """

    photo: npt.NDArray[np.uint8]
    part: str
    mechanisms: tuple[int, ...]
    masks: tuple[Mask, ...]

    @property
    def boxes_xywh(self) -> npt.NDArray[np.float32]:
        """float32 N×4, the tight box of each defect in pixels."""
        boxes = [cv2.boundingRect(mask.view(np.uint8)) for mask in self.masks]
        return np.array(boxes, np.float32).reshape(-1, 4)


def draw_scene(seed: tuple[int, ...], side: int = 320) -> Scene:
    """The photo of a seed: the same for ever.

    Args:
        seed: Numbers, such as that of the whole and that of the photo.
        side: Width and height in pixels.
    """
    rng = np.random.default_rng(seed)
    name = sorted(PARTS)[int(rng.integers(len(PARTS)))]
    part = draw_part(name, side, rng)
    picture = part.picture
    found: list[tuple[int, Mask]] = []
    count = 0 if rng.random() < _GOOD else 1 + int(rng.geometric(0.6) - 1)
    for _ in range(min(count, 4)):
        number = int(rng.integers(len(NAMES)))
        marred = np.clip(MECHANISMS[NAMES[number]](picture, part, rng), 0, 255).astype(np.float32)
        mask = _changed(picture, marred)
        covered = any((mask & other).any() for _, other in found)
        if int(mask.sum()) >= _LEAST_AREA and not covered and _stands_out(picture, marred, mask):
            picture = marred
            found.append((number, mask))
    photo, moved = _photographed(picture, part, [mask for _, mask in found], rng)
    kept = [(number, mask) for (number, _), mask in zip(found, moved, strict=True) if mask.sum() >= _LEAST_AREA]
    return Scene(photo, name, tuple(number for number, _ in kept), tuple(mask for _, mask in kept))


def _stands_out(before: Image, after: Image, mask: Mask) -> bool:
    """Whether a defect is more than the surface's own unevenness around it."""
    near = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    change = float(np.abs(after - before).max(axis=2)[mask].mean())
    return change > max(_LEAST_CHANGE, _OVER_TEXTURE * float(before.mean(axis=2)[near].std()))


def _changed(before: Image, after: Image) -> Mask:
    """Where a defect is to be seen; its largest part and what is near it, so that far specks make no wide box."""
    differs = (np.abs(after - before).max(axis=2) > _LEAST_CHANGE).astype(np.uint8)
    joined = cv2.dilate(differs, np.ones((9, 9), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count < 2:
        return differs.astype(bool)
    return (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())) & (differs > 0)


def _photographed(
    picture: Image, part: Part, masks: list[Mask], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], list[Mask]]:
    """Camera angle, light, focus and noise; the masks are moved with the picture."""
    side = picture.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    seen = corners + rng.normal(0, side * 0.02, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen)
    fill = part.table.mean(axis=(0, 1)).tolist()
    border = cv2.BORDER_REFLECT if part.mask.all() else cv2.BORDER_CONSTANT
    moved = cv2.warpPerspective(picture, matrix, (side, side), borderMode=border, borderValue=fill)
    moved_masks = [
        cv2.warpPerspective(mask.astype(np.uint8), matrix, (side, side), flags=cv2.INTER_NEAREST).astype(bool)
        for mask in masks
    ]
    light = 1 + rng.uniform(0, 0.25) * cloud(side, 2, rng)[..., None]
    moved = moved * light * rng.uniform(0.75, 1.05) + rng.uniform(-8, 12)
    if rng.random() < 0.5:
        moved = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.3, 1.3))
    moved = moved + rng.normal(0, rng.uniform(0.5, 6), moved.shape)
    if rng.random() < 0.15:
        moved = np.repeat(moved.mean(axis=2, keepdims=True), 3, axis=2)
    return np.clip(moved, 0, 255).astype(np.uint8), moved_masks
