"""Test-time augmentation: the eight orientations of a photo: 0 to 3 turned left by quarters, 4 to 7 mirrored, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

VIEWS = 8


def turn(pixels: npt.NDArray[Any], view: int) -> npt.NDArray[Any]:
    """An array H×W or H×W×C in a view.

    >>> import numpy as np
    >>> turn(np.array([[1, 2], [3, 4]]), 5).tolist()
    [[4, 2], [3, 1]]
    """
    import numpy as np

    turned = np.rot90(pixels, view % 4)
    return np.ascontiguousarray(turned[:, ::-1] if view >= 4 else turned)


def turn_back(maps: torch.Tensor, view: int) -> torch.Tensor:
    """What was computed in a view, the last two axes being its rows and columns, as seen in view 0."""
    import torch

    return torch.rot90(maps.flip(-1) if view >= 4 else maps, -(view % 4), (-2, -1))


def turned_size(size_hw: tuple[int, int], view: int) -> tuple[int, int]:
    """Height and width in a view."""
    return size_hw[::-1] if view % 2 else size_hw


def turn_points(points_xy: npt.NDArray[np.float64], size_hw: tuple[int, int], view: int) -> npt.NDArray[np.float64]:
    """Where points …×2 of a photo, in pixels, lie in a view."""
    import numpy as np

    height, width = size_hw
    x, y = points_xy[..., 0], points_xy[..., 1]
    for _ in range(view % 4):
        x, y = y, width - x
        height, width = width, height
    return np.stack([width - x if view >= 4 else x, y], axis=-1)


def turn_boxes(boxes_xyxy: npt.NDArray[np.float64], size_hw: tuple[int, int], view: int) -> npt.NDArray[np.float64]:
    """Where boxes N×4, corners in pixels of a photo, lie in a view."""
    import numpy as np

    corners = turn_points(boxes_xyxy.reshape(-1, 2, 2), size_hw, view)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
