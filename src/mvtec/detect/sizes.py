"""Counts the instances that a training can see at its image size, by class, before it begins.

A photo is scaled so that its longer side has `imgsz` pixels. While it trains, Ultralytics turns and moves the photo and
then drops each box that is at most 2 pixels wide or high, or 100 times as long as wide
(`RandomPerspective.box_candidates`), without a word. The finest cells of a YOLO are 8 pixels wide: what is smaller than
one is hardly learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from mvtec.convert.formats.yolo.label_lines import read_label
from mvtec.convert.formats.yolo.read_folder import YoloFolder, label_file
from mvtec.datasets.images import photo_size_wh
from mvtec.datasets.split import Part
from mvtec.errors import InputError
from mvtec.words import counted

DROPPED = 2.0  # pixels
SMALL = 8.0  # pixels
_LONGEST = 100  # times as long as wide
_MANY = 0.1  # of all instances: so many small ones are worth a warning
_SHARE = 0.95  # of all instances: so many are to be `SMALL` or larger at the size that is proposed


@dataclass(frozen=True)
class Side:
    """How large an instance is in its photo.

    Attributes:
        share: The shorter side of its box over the longer side of the photo.
        pixels: The longer side of the photo in pixels.
        is_thread: Whether its box is 100 times as long as wide, or more.
    """

    share: float
    pixels: int
    is_thread: bool

    @property
    def is_always_dropped(self) -> bool:
        """Whether no image size brings its box over the limits."""
        return self.is_thread or self.share == 0

    def is_dropped(self, imgsz: int) -> bool:
        return self.is_thread or self.share * imgsz <= DROPPED


@dataclass(frozen=True)
class Count:
    """How many instances of a class there are in a part.

    Attributes:
        instances: All of them.
        dropped: Those that Ultralytics drops at this image size.
        below_8_px: Those with a side below 8 pixels at this image size, with the dropped ones.
    """

    instances: int
    dropped: int
    below_8_px: int


Sides = dict[str, list[Side]]  # by class


def sides_of(folder: YoloFolder, part: Part, *, turned: bool) -> Sides:
    """How large the instances of a part are, by class; each class of the folder has a list.

    Args:
        folder: The data set.
        part: Its part.
        turned: Photos are turned by any angle. The box of a thin polygon is then thick in most of its turns; it counts
            as the box of an ellipse of its size that is turned by 45 degrees.

    Raises:
        InputError: A photo or label cannot be read, or a label file has boxes and polygons.
    """
    sides: Sides = {name: [] for name in folder.names}
    for photo in folder.images[part]:
        label = label_file(photo)
        if not label.is_file():
            continue
        size_wh = photo_size_wh(photo)
        instances = read_label(label, folder.names, size_wh)
        if len({instance.region is None for instance in instances}) > 1:
            raise InputError(
                label,
                "has boxes and polygons, and Ultralytics leaves out its photo",
                "Make boxes of all: mvtec convert yolo-to-coco, then coco-to-yolo",
            )
        for instance in instances:
            _, _, width, height = instance.box_xywh
            if instance.region is not None:  # its corners are the centres of its outer pixels, for Ultralytics
                width, height = width - 1, height - 1
            shorter = math.hypot(width, height) / math.sqrt(2) if turned else min(width, height)
            is_thread = not turned and max(width, height) >= _LONGEST * min(width, height)
            sides[instance.defect].append(Side(shorter / max(size_wh), max(size_wh), is_thread))
    return sides


def count_sides(sides: Sides, imgsz: int) -> dict[str, Count]:
    """How many instances of each class there are, and are dropped or small at an image size in pixels."""
    return {
        name: Count(
            instances=len(own),
            dropped=sum(side.is_dropped(imgsz) for side in own),
            below_8_px=sum(side.is_dropped(imgsz) or side.share * imgsz < SMALL for side in own),
        )
        for name, own in sides.items()
    }


def better_imgsz(sides: list[Side]) -> int | None:
    """The least image size at which 95 of 100 instances are 8 pixels wide and high, a multiple of 32.

    Instances that are dropped at any size do not count; None where there is no other.

    >>> better_imgsz([Side(share=30 / 4000, pixels=4000, is_thread=False)])
    1088
    """
    wanted = sorted(SMALL / side.share for side in sides if not side.is_always_dropped)
    if not wanted:
        return None
    return math.ceil(wanted[math.ceil(len(wanted) * _SHARE) - 1] / 32) * 32


def check_sides(
    folder: YoloFolder, imgsz: int, *, turned: bool, warn: Callable[[str], None] = lambda _warning: None
) -> dict[str, dict[str, dict[str, int]]]:
    """Refuse a training that would see no instance of a class, and warn of small ones.

    Args:
        folder: The data set.
        imgsz: The image size of the training in pixels.
        turned: As for `sides_of`; photos of the val part are never turned.
        warn: Told what is doubtful, a sentence each.

    Returns:
        For the train and the val part and each class a `Count`, as a dictionary for the record of the run.

    Raises:
        InputError: The train part has no instance, or all instances of a class would be dropped; or a photo or label
            cannot be read.
    """
    sides: dict[Part, Sides] = {
        "train": sides_of(folder, "train", turned=turned),
        "val": sides_of(folder, "val", turned=False),
    }
    if not any(sides["train"].values()):
        raise InputError(
            folder.data_yaml,
            f"its train part of {counted(len(folder.images['train']), 'photo')} has no instance",
            "Check that the labels lie where Ultralytics looks for them, in labels/ beside images/",
        )
    counts = {part: count_sides(own, imgsz) for part, own in sides.items() if folder.images[part]}
    lost = [name for name, count in counts["train"].items() if 0 < count.instances == count.dropped]
    if lost:
        lost_sides = [sides["train"][name] for name in lost]
        raise InputError(
            folder.data_yaml,
            f"at --imgsz {imgsz} Ultralytics drops each instance of {' and of '.join(lost)} in its train part "
            f"({sum(map(len, lost_sides))}), because they are at most 2 pixels wide or high, or 100 times as long as "
            "wide",
            _proposal(lost_sides, imgsz),
        )
    for name, count in counts["train"].items():
        if not count.instances:
            warn(f"{folder.data_yaml}: its train part has no instance of {name}, which cannot be learnt")
    if folder.images["val"]:
        without = [name for name, own in sides["val"].items() if not own and sides["train"][name]]
        if not any(sides["val"].values()):
            photos = counted(len(folder.images["val"]), "photo")
            warn(f"{folder.data_yaml}: its val part of {photos} has no instance, so the last epoch is kept")
        elif without:
            warn(
                f"{folder.data_yaml}: its val part has no instance of {', '.join(without)}, which has no say in which "
                "epoch is kept"
            )
    for part, by_class in counts.items():
        if sentence := _small_in_words(part, by_class, imgsz):
            every = [side for own in sides[part].values() for side in own]
            warn(f"{folder.data_yaml}: {sentence}. {_proposal([every], imgsz)}")
    return {part: {name: asdict(count) for name, count in by_class.items()} for part, by_class in counts.items()}


def seen_in_words(counts: dict[str, dict[str, int]]) -> str:
    """How many instances of a part a training sees: `22 of 24 instances (crack 12 of 14, stain 10 of 10)`."""
    by_class = [(name, count["instances"] - count["dropped"], count["instances"]) for name, count in counts.items()]
    seen, there = sum(own for _, own, _ in by_class), sum(own for _, _, own in by_class)
    return f"{seen} of {counted(there, 'instance')} ({', '.join(f'{name} {a} of {b}' for name, a, b in by_class)})"


def _small_in_words(part: Part, counts: dict[str, Count], imgsz: int) -> str | None:
    """What there is to say of small instances; None where they are few, and none of them is dropped."""
    instances = sum(count.instances for count in counts.values())
    below, dropped = (sum(getattr(count, key) for count in counts.values()) for key in ("below_8_px", "dropped"))
    if not dropped and below <= _MANY * instances:
        return None
    classes = [f"{name} {count.below_8_px} of {count.instances}" for name, count in counts.items() if count.below_8_px]
    hard = f"hard to {'learn' if part == 'train' else 'find'}"
    if not dropped or part == "val":
        then = f"such are {hard}"
    elif dropped == below:
        then = "Ultralytics drops them"
    else:
        then = f"Ultralytics drops {dropped} of them, and the others are {hard}"
    return (
        f"at --imgsz {imgsz} {below} of {instances} instances of the {part} part have a side below 8 pixels "
        f"({', '.join(classes)}); {then}"
    )


def _proposal(groups: list[list[Side]], imgsz: int) -> str:
    """The image size at which each group is seen, and what it costs; and how many instances no size would save."""
    sides = [side for group in groups for side in group]
    better = max((size for size in map(better_imgsz, groups) if size is not None), default=0)
    threads = sum(side.is_always_dropped for side in sides)
    hints = []
    if better > imgsz:
        tiles = ", or cut the photos into tiles" if better > max(side.pixels for side in sides) else ""
        times = (better / imgsz) ** 2
        said = f"{times:.1f}" if times < 10 else f"{times:.0f}"
        hints.append(f"Train with --imgsz {better}, which takes about {said} times as long{tiles}")
    if threads or not hints:
        whose = f"No --imgsz helps {threads} of them, 100 times as long as wide or more: join" if threads else "Join"
        hints.append(f"{whose} their pieces, or label them with wider boxes")
    return ". ".join(hints)
