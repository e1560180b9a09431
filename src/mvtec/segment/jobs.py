"""Which boxes of which photos SAM is asked about: read from COCO annotations, or from the results of a detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mvtec.convert.fitting import photo_named
from mvtec.convert.formats.coco.files import CocoAnnotation, CocoDataset, CocoResult, parse_coco
from mvtec.convert.formats.coco.results import results_for
from mvtec.convert.provenance import PROVENANCE, Provenance, read_provenance
from mvtec.datasets.images import photo_size_wh
from mvtec.errors import InputError
from mvtec.files import sha256_file
from mvtec.limits import check_size
from mvtec.reading import read_json
from mvtec.segment.model import check_shape

Record = CocoAnnotation | CocoResult
Content = CocoDataset | list[CocoResult]


@dataclass(frozen=True)
class Job:
    """A photo and the boxes in it.

    Attributes:
        photo: Where it lies.
        digest: SHA-256 of its bytes.
        name: As the file names it.
        size_wh: Pixels.
        records: The annotations or results to be given a mask.
    """

    photo: Path
    digest: str
    name: str
    size_wh: tuple[int, int]
    records: list[Record]

    def name_of(self, record: Record) -> str:
        """How a person finds a record in the file."""
        which = f"annotation {record.id}" if isinstance(record, CocoAnnotation) else f"box {list(record.bbox)}"
        return f"{self.name}, {which}"


def read_content(source: Path) -> tuple[Content, Provenance | None]:
    """An annotation file; or results, with their provenance.

    Raises:
        InputError: It is neither, or there is no provenance beside results.
    """
    content = read_json(source, "a COCO annotation or results file")
    if not isinstance(content, list):
        return parse_coco(source, content), None
    provenance = read_provenance(source)
    if provenance is None:
        raise InputError(
            source, "is a list of results without provenance.json beside it", "Give what mvtec predict wrote, whole"
        )
    photos = {number: name for name, number in provenance.image_ids.items()}
    return results_for(source, content, photos, f"the {PROVENANCE} beside it").results, provenance


def read_jobs(source: Path, content: Content, provenance: Provenance | None, photos: Path | None) -> list[Job]:
    """The photos that have boxes, by name; each is there and has the size the file says. Crowds are left out.

    Raises:
        InputError: There is no folder of photos, a photo is missing or of another size, an annotation is of no image of
            the file, or has attributes that are not an object.
        BadPhotoError: A photo cannot be read, or is too narrow a strip.
    """
    records: list[Record] = []
    if isinstance(content, CocoDataset):
        names = {image.id: image.file_name for image in content.images}
        sizes = {image.id: (image.width, image.height) for image in content.images}
        records += [annotation for annotation in content.annotations if not annotation.iscrowd]
        root = photos
    else:
        assert provenance is not None
        names = {number: name for name, number in provenance.image_ids.items()}
        sizes = {}
        records += content
        root = photos or Path(provenance.image_root)
    if root is None:
        raise InputError(source, "does not say where its photos are", "Give their folder as --images")
    of_image: dict[int, list[Record]] = {}
    for record in records:
        if record.image_id not in names:
            raise InputError(source, f"refers to image {record.image_id}, which it does not have", "Predict again")
        if record.attributes and not isinstance(record.attributes, dict):
            raise InputError(
                source,
                f"a box of {names[record.image_id]} has attributes that are not an object, such as {{}}",
                "Correct them, so that they can be kept",
            )
        of_image.setdefault(record.image_id, []).append(record)
    jobs = []
    for number in sorted(of_image, key=lambda number: names[number]):
        if number in sizes:
            check_size(source, names[number], sizes[number])
        name = photo_named(root, names[number])
        if name is None:
            raise InputError(
                root / names[number], "no such photo", f"Give the folder that {source.name} was made for as --images"
            )
        photo = root / name
        size_wh = photo_size_wh(photo)
        if sizes.get(number, size_wh) != size_wh:
            raise InputError(
                photo, f"is {size_wh[0]}×{size_wh[1]} pixels, and {source.name} says otherwise", "Give the same photos"
            )
        check_shape(photo, size_wh)
        jobs.append(Job(photo, sha256_file(photo), names[number], size_wh, of_image[number]))
    return jobs
