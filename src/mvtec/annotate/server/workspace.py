"""The open workspace: photos, working store, annotation file, SAM, and which browser has which photo open."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from mvtec.annotate.server.annotation_file import AnnotationFile
from mvtec.annotate.server.photos import PhotoFolder
from mvtec.annotate.server.records import Annotation, Category, Photo, SamState, Saved, Shape
from mvtec.annotate.server.sam import Sam
from mvtec.annotate.server.shapes import shown_shape
from mvtec.annotate.server.store import Store
from mvtec.annotate.server.stored import StoredPhoto
from mvtec.errors import InputError

_GONE_AFTER = 12.0  # seconds without a word from a browser; it says one every five


@dataclass
class Presence:
    """Which browser has which photo open."""

    _seen: dict[str, tuple[int | None, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def others(self, client: str, photo: int | None) -> int:
        """Note where a browser is, and tell how many others have the same photo open."""
        at = time.monotonic()
        with self._lock:
            self._seen[client] = (photo, at)
            self._seen = {name: seen for name, seen in self._seen.items() if at - seen[1] < _GONE_AFTER}
            if photo is None:
                return 0
            return sum(name != client and seen[0] == photo for name, seen in self._seen.items())


@dataclass
class Workspace:
    """What the routes work on.

    Attributes:
        name: What is annotated.
        photos: The folder.
        store: The working store.
        file: The annotation file.
        sam: SAM; None where there is none.
        no_sam: Why not.
        notes: How the ids of the predictions were read, for the page.
        presence: Who has what open.
    """

    name: str
    photos: PhotoFolder
    store: Store
    file: AnnotationFile
    sam: Sam | None
    no_sam: str
    notes: tuple[str, ...] = ()
    presence: Presence = field(default_factory=Presence)
    _closed: bool = False

    def sam_state(self) -> SamState:
        """Whether SAM is there."""
        return SamState(available=False, model=None, reason=self.no_sam) if self.sam is None else self.sam.state()

    def categories(self) -> list[Category]:
        """All classes."""
        return [Category(id=number, name=name) for number, name in self.store.categories().items()]

    def saved(self) -> Saved:
        """How the file stands to the store."""
        file = self.file
        return Saved(file=str(file.path), unsaved=file.unsaved, saved_at=file.saved_at, problem=file.problem)

    def size_wh(self, photo: StoredPhoto) -> tuple[int, int]:
        """A photo's width and height, from the photo itself.

        Raises:
            BadPhotoError: It cannot be read.
            InputError: The annotation file says otherwise.
        """
        found = self.photos.size_wh(photo.name)
        if photo.size_wh not in (None, found):
            assert photo.size_wh is not None
            raise InputError(
                self.photos.root / photo.name,
                f"is {found[0]}×{found[1]} pixels, and the annotation file says {photo.size_wh[0]}×{photo.size_wh[1]}",
                "Put the photo back that was annotated",
            )
        return found

    def shown(self, photo: StoredPhoto) -> Photo:
        """A photo as the page sees it.

        Raises:
            BadPhotoError: It cannot be read.
            InputError: It is of another size than the annotation file says.
        """
        width, height = self.size_wh(photo)
        annotations = []
        for record in photo.records:
            problem = None
            try:
                shape = shown_shape(record.bbox, record.area, record.segmentation, (height, width))
            except ValueError as error:  # of another tool; the file keeps it as it is
                shape, problem = Shape(bbox=record.bbox, area=record.area, counts=None), str(error)
            annotations.append(
                Annotation(
                    **shape.model_dump(),
                    key=record.key,
                    category_id=record.category_id,
                    score=record.score,
                    attributes=record.attributes,
                    proposed=record.proposed,
                    problem=problem,
                )
            )
        return Photo(
            id=photo.id,
            name=photo.name,
            version=self.photos.version(photo.name),
            width=width,
            height=height,
            state=photo.state,
            revision=photo.revision,
            annotations=annotations,
        )

    def neighbours(self, numbers: list[int]) -> list[str]:
        """The names of photos by their numbers; those there are not are left out."""
        found = []
        for number in numbers:
            try:
                found.append(self.store.photo(number).name)
            except KeyError:
                continue
        return found

    def add_category(self, name: str) -> None:
        """Add a class.

        Raises:
            InputError: The name is taken, or that of a photo without defects.
        """
        with self.store.transaction():
            self._check_name(name)
            self.store.add_category(name)
        self.store.ensure_in_place()

    def rename_category(self, number: int, name: str) -> None:
        """Rename a class.

        Raises:
            InputError: The name is taken, or that of a photo without defects.
            KeyError: There is no such class.
        """
        with self.store.transaction():
            if number not in self.store.categories():
                raise KeyError(number)
            if self.store.categories()[number] == name:
                return
            self._check_name(name)
            self.store.execute("UPDATE category SET name = ? WHERE id = ?", (name, number))
            self.store.changed()
        self.store.ensure_in_place()

    def _check_name(self, name: str) -> None:
        if name.casefold() == "good":
            raise InputError(name, "means a photo without defects", "Choose another name")
        if not name.isprintable():
            raise InputError("the name", "has characters that cannot be seen", "Choose another name")
        if name in self.store.categories().values():
            raise InputError(name, "is a class already", "Choose another name")

    def close(self) -> None:
        """Write the annotation file, and let all go; once."""
        if self._closed:
            return
        self._closed = True
        self.file.save()
        self.store.close()
        if self.sam is not None:
            self.sam.close()  # last: it waits for the photo that is encoded
