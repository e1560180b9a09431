"""Regions as polygons, each written for the reader that will paint it.

Two readers, two outlines:

- OpenCV's `fillPoly`, and with it Ultralytics, paints a polygon together with its edge. It gives back exactly the
  region whose border pixels' *centres* the polygon runs through.
- pycocotools paints the pixels whose centre the polygon encloses. It gives back exactly the region whose pixels'
  *edges* the polygon runs along.

Neither format has holes. A hole is reached over a bridge: the polygon leaves its outline, runs straight to the hole,
around it and back along the same line, which runs over pixels of the region and so paints nothing that is not in it.
A separate part is reached the same way where the format has one polygon an instance; that bridge crosses sound pixels
and paints a line of them, so the shortest bridges are taken.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mvtec.convert.pixels.geometry import Region

Points = npt.NDArray[np.int32]


def centre_polygon(region: Region) -> Points:
    """One closed polygon for `cv2.fillPoly`: holes left out, separate parts joined.

    Returns:
        int32 N×2 of pixel indices (x, y) in the photo, N ≥ 1; painted, they are the region, but for the bridges
        between separate parts.
    """
    x, y, _, _ = region.box_xywh
    parts = _outlines(region.crop.view(np.uint8))
    joined = parts[0] if len(parts) == 1 else _join(parts, region.crop.shape)
    return _without_straight_points(joined) + np.array([x, y], np.int32)


def edge_polygons(region: Region, tolerance: float = 0) -> list[Points]:
    """One closed polygon for pycocotools for each separate part, holes left out.

    Args:
        region: The region.
        tolerance: How far, in pixels, a simplified outline may run beside the true one (Douglas and Peucker 1973);
            0 keeps it exact.

    Returns:
        int32 N×2 each, of pixel corners (x, y) in the photo, N ≥ 4 without tolerance and N ≥ 3 with it.
    """
    x, y, _, _ = region.box_xywh
    # Traced at twice the size, every pixel has a border of its own, and the traced centres fall on either side of the
    # pixel edges: 2x and 2x-1 both belong to the edge at x.
    doubled = np.repeat(np.repeat(region.crop.view(np.uint8), 2, axis=0), 2, axis=1)
    polygons = [_without_straight_points((part + 1) // 2) for part in _outlines(doubled)]
    if tolerance:
        polygons = [_simplified(polygon, tolerance) for polygon in polygons]
    return [polygon + np.array([x, y], np.int32) for polygon in polygons]


def _outlines(mask: npt.NDArray[np.uint8]) -> list[Points]:
    """For each part of a mask, in reading order: its traced border with the holes spliced in, neighbour to neighbour.

    The first point is not repeated at the end.
    """
    found, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        raise ValueError("a region has at least one pixel")
    contours = [np.asarray(contour, np.int32).reshape(-1, 2) for contour in found]
    parents = hierarchy[0][:, 3]
    outers = [index for index in range(len(contours)) if parents[index] < 0]
    holes = [index for index in range(len(contours)) if parents[index] >= 0]
    if holes:
        splices = _splices(mask, contours, parents.tolist(), holes)
        for index in sorted(holes, key=lambda index: -int(contours[index][:, 0].min())):
            start = int(contours[index][:, 0].argmin())
            contours[index] = _spliced(contours, index, splices.get(index, []), start)
        for index in outers:
            contours[index] = _spliced(contours, index, splices.get(index, []), 0)[:-1]
    return sorted((contours[index] for index in outers), key=lambda part: (part[:, 1].min(), part[:, 0].min()))


def _splices(
    mask: npt.NDArray[np.uint8], contours: list[Points], parents: list[int], holes: list[int]
) -> dict[int, list[tuple[int, int]]]:
    """Where each hole hangs: by contour, pairs of a position in it and the hole.

    From the leftmost point of a hole's rim the bridge runs left, over the region, to where the region ends. What lies
    beyond is the outside or a hole further left, so no two holes hang on each other.
    """
    _, sound = cv2.connectedComponents(cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1), None, 4)
    rims = {index: contours[index][contours[index][:, 0].argmin()] for index in holes}
    hole_at = {(parents[index], int(sound[y + 1, x + 2])): index for index, (x, y) in rims.items()}
    positions: dict[int, dict[tuple[int, int], int]] = {}
    splices: dict[int, list[tuple[int, int]]] = {}
    for index, (x, y) in rims.items():
        gaps = np.flatnonzero(mask[y, :x] == 0)
        end = int(gaps[-1]) + 1 if len(gaps) else 0
        host = hole_at.get((parents[index], int(sound[y + 1, end])), parents[index])
        if host not in positions:
            positions[host] = {(int(px), int(py)): at for at, (px, py) in enumerate(contours[host])}
        splices.setdefault(host, []).append((positions[host][end, int(y)], index))
    return splices


def _spliced(contours: list[Points], index: int, splices: list[tuple[int, int]], start: int) -> Points:
    """The contour from `start` round to `start` again, with a visit to each hole that hangs on it."""
    contour = contours[index]
    ring = np.concatenate([contour[start:], contour[: start + 1]])
    pieces, last = [], 0
    for at, hole in sorted(((at - start) % len(contour), hole) for at, hole in splices):
        pieces += [ring[last : at + 1], contours[hole]]
        last = at
    return np.concatenate([*pieces, ring[last:]])


def _join(parts: list[Points], shape: tuple[int, ...]) -> Points:
    """One polygon through all parts, over the shortest bridges that join them all (Kruskal 1956)."""
    part_of = np.zeros(shape, np.int32)
    for number, part in enumerate(parts, start=1):
        part_of[part[:, 1], part[:, 0]] = number
    group = list(range(len(parts)))

    def root(number: int) -> int:
        while group[number] != number:
            group[number] = group[group[number]]
            number = group[number]
        return number

    bridges: dict[int, list[tuple[Points, Points, int]]] = {}
    for one, other, start, end in _gaps(part_of):
        if root(one) != root(other):
            group[root(one)] = root(other)
            bridges.setdefault(one, []).append((start, end, other))
            bridges.setdefault(other, []).append((end, start, one))
    # From the first part outward, the visits are spliced in from the last reached to the first.
    order = [0]
    reached_over = {0: (-1, 0)}  # the part a part is reached from, and where in it the visit begins
    for number in order:
        for _, end, other in bridges.get(number, []):
            if other not in reached_over:
                reached_over[other] = (number, _index(parts[other], end))
                order.append(other)
    walks = list(parts)
    for number in reversed(order):
        parent, begin = reached_over[number]
        visits = [(_index(parts[number], at), other) for at, _, other in bridges.get(number, []) if other != parent]
        walks[number] = _spliced(walks, number, visits, begin)
    return walks[0][:-1]


def _gaps(part_of: npt.NDArray[np.int32]) -> list[tuple[int, int, Points, Points]]:
    """The shortest ways between parts that face each other, shortest first: part, part, pixel, pixel.

    Parts whose nearest pixels meet half-way face each other; the shortest bridges are among those.
    """
    _, nearest = cv2.distanceTransformWithLabels(
        (part_of == 0).astype(np.uint8), cv2.DIST_C, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    ys, xs = np.nonzero(part_of)
    place = np.zeros((nearest.max() + 1, 2), np.int32)
    place[nearest[ys, xs]] = np.stack([xs, ys], axis=1)
    owner = np.zeros(len(place), np.int32)
    owner[nearest[ys, xs]] = part_of[ys, xs]
    meets = []
    for ours, theirs in (
        (nearest[:, :-1], nearest[:, 1:]),
        (nearest[:-1], nearest[1:]),
        (nearest[:-1, :-1], nearest[1:, 1:]),
        (nearest[:-1, 1:], nearest[1:, :-1]),
    ):
        border = owner[ours] != owner[theirs]
        meets.append(np.stack([ours[border], theirs[border]], axis=1))
    pairs = np.unique(np.concatenate(meets), axis=0)
    length = np.abs(place[pairs[:, 0]] - place[pairs[:, 1]]).max(axis=1)
    return [
        (int(owner[a]) - 1, int(owner[b]) - 1, place[a], place[b])
        for a, b in pairs[np.lexsort((pairs[:, 1], pairs[:, 0], length))]
    ]


def _index(part: Points, point: Points) -> int:
    return int(np.flatnonzero((part == point).all(axis=1))[0])


def _without_straight_points(polygon: Points) -> Points:
    """The polygon without the points it passes straight through; the tips of there-and-back lines stay."""
    polygon = polygon[(polygon != np.roll(polygon, 1, axis=0)).any(axis=1)] if len(polygon) > 1 else polygon
    if len(polygon) < 3:
        return polygon
    here = polygon - np.roll(polygon, 1, axis=0)
    there = np.roll(polygon, -1, axis=0) - polygon
    turns = here[:, 0] * there[:, 1] != here[:, 1] * there[:, 0]
    back = (here * there).sum(axis=1) < 0
    return polygon[turns | back]


def _simplified(polygon: Points, tolerance: float) -> Points:
    """At most `tolerance` pixels beside the polygon; the polygon itself where little would be left of it."""
    found = np.asarray(cv2.approxPolyDP(polygon.reshape(-1, 1, 2), tolerance, closed=True), np.int32).reshape(-1, 2)
    if len(found) < 3 or 2 * cv2.contourArea(found) < cv2.contourArea(polygon):
        return polygon
    return found
