"""The routes of the page: each takes what `records.py` describes, does one thing on the workspace, and answers."""

from __future__ import annotations

import mimetypes
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

from mvtec import __version__
from mvtec.annotate.server import records
from mvtec.annotate.server.annotation_tables import count_dropped
from mvtec.annotate.server.photo_list import Filter, count_photos, order_of_photos, rows_of
from mvtec.annotate.server.priority import THRESHOLD
from mvtec.annotate.server.records import Id, Only, Order
from mvtec.annotate.server.revisions import Conflict, at_revision, save_edit
from mvtec.annotate.server.sam import SamMissingError
from mvtec.annotate.server.shapes import work_on
from mvtec.annotate.server.stored import StoredPhoto
from mvtec.annotate.server.worker_threads import BusyError
from mvtec.annotate.server.workspace import Workspace
from mvtec.errors import MvtecError, OutputError

_PAGE = Path(__file__).parents[1] / "page"
_FOR_EVER = "private, max-age=31536000, immutable"  # the address names the photo's version
_SAVE_EVERY = 60.0  # seconds
_PICTURES_AT_ONCE = 4  # in threads of their own: saves wait for no picture
_SHAPES_AT_ONCE = 2


def make_app(work: Workspace, *, save_every: float = _SAVE_EVERY) -> FastAPI:
    """The application. When it ends, the annotation file is written.

    Args:
        work: What it works on.
        save_every: Seconds between two writings of the annotation file.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        over = threading.Event()
        saver = threading.Thread(target=_save_again_and_again, args=(work, over, save_every), daemon=True)
        saver.start()
        try:
            yield
        finally:
            over.set()
            saver.join()
            work.close()

    store_name = work.store.get("name")

    def check_store(x_mvtec_store: Annotated[str | None, Header()] = None) -> None:
        """A page that was opened for another annotation file must not save into this one."""
        if x_mvtec_store is not None and x_mvtec_store != store_name:
            raise HTTPException(410, "this page belongs to another annotation file; reload it")

    app = FastAPI(
        title="mvtec annotate",
        version=__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(check_store)],
    )
    app.openapi_version = "3.0.3"  # the newest that the bundled page of Swagger reads
    for kind, ending in (("text/javascript", ".js"), ("text/css", ".css")):
        mimetypes.add_type(kind, ending)  # Windows may have been told otherwise, and then no script would run
    app.mount("/static", StaticFiles(directory=_PAGE), name="page")
    _answer_errors(app, work)
    _add_pages(app)
    _add_session(app, work)
    _add_photos(app, work)
    _add_images(app, work)
    _add_shapes(app, work)
    return app


def _save_again_and_again(work: Workspace, over: threading.Event, every: float) -> None:
    while not over.wait(every):
        work.file.save()


def _answer_errors(app: FastAPI, work: Workspace) -> None:
    @app.exception_handler(MvtecError)
    def bad(_: Request, error: MvtecError) -> JSONResponse:
        is_later = isinstance(error, (SamMissingError, BusyError))
        status = 507 if isinstance(error, OutputError) else 503 if is_later else 422
        return JSONResponse({"detail": str(error)}, status_code=status)

    @app.exception_handler(RequestValidationError)
    def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"detail": f"{where}: {first['msg']}"}, status_code=422)

    @app.exception_handler(Conflict)
    def conflict(_: Request, found: Conflict) -> JSONResponse:
        current = work.shown(found.current).model_dump(mode="json")
        return JSONResponse({"detail": str(found), "current": current}, status_code=409)


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/docs/swagger", StaticFiles(directory=swagger_ui_path), name="swagger")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(_PAGE / "docs.html")


def _add_session(app: FastAPI, work: Workspace) -> None:
    @app.get("/api/session")
    def session() -> records.Session:
        """What the page must know to begin."""
        return records.Session(
            **work.saved().model_dump(),
            name=work.name,
            store=work.store.get("name"),
            photos=count_photos(work.store),
            sam=work.sam_state(),
            categories=work.categories(),
            threshold=THRESHOLD,
            notes=list(work.notes),
        )

    @app.post("/api/save")
    def save() -> records.Saved:
        """Rewrite the annotation file now."""
        work.file.save()
        return work.saved()

    @app.post("/api/here")
    def here(said: records.Here) -> records.Others:
        """Say which photo is open, and hear who else has it open."""
        work.store.ensure_in_place()
        others = work.presence.others(said.client, said.photo)
        found = work.store.rows("SELECT revision FROM photo WHERE id = ?", (said.photo,))
        return records.Others(
            **work.saved().model_dump(),
            others=others,
            revision=found[0]["revision"] if found else None,
            categories=work.categories(),
        )

    @app.post("/api/categories")
    def add_category(wanted: records.CategoryName) -> records.Categories:
        """Add a class."""
        work.add_category(wanted.name)
        return records.Categories(categories=work.categories())

    @app.patch("/api/categories/{number}")
    def rename_category(number: Id, wanted: records.CategoryName) -> records.Categories:
        """Rename a class."""
        _found(lambda: work.rename_category(number, wanted.name), "there is no such class")
        return records.Categories(categories=work.categories())


def _add_photos(app: FastAPI, work: Workspace) -> None:
    @app.get("/api/photos")
    def photos(
        order: Order = "name",
        category: Id | None = None,
        state: Literal["reviewed", "unreviewed", "good", "unsure"] | None = None,
        only: Only | None = None,
        q: Annotated[str, Query(max_length=200)] = "",
    ) -> records.PhotoOrder:
        """The list of photos, of each its number."""
        return records.PhotoOrder(ids=order_of_photos(work.store, Filter(category, state, only, q), order))

    @app.post("/api/rows")
    def rows(wanted: records.RowsOf) -> records.Rows:
        """What the list shows of some photos."""
        return records.Rows(photos=rows_of(work.store, work.photos.version, wanted.ids))

    @app.get("/api/photos/{number}", response_model=records.Photo)
    def photo(number: Id) -> Response:
        """A photo and its annotations."""
        return _whole(work.shown(_photo(work, number)))

    @app.put(
        "/api/photos/{number}",
        response_model=records.Photo,
        responses={409: {"description": "Somebody else has saved it since, or its file is of another size."}},
    )
    def save_photo(number: Id, edit: records.PhotoEdit) -> Response:
        """Save a photo's annotations; the answer comes when they are on the disk."""
        kept = _photo(work, number)
        size_wh = work.size_wh(kept)
        if edit.size_wh not in (None, size_wh):
            raise Conflict(kept, f"the photo is another one by now, of {size_wh[0]}×{size_wh[1]} pixels")
        return _whole(work.shown(save_edit(work.store, number, edit, size_wh)))

    @app.get("/api/photos/{number}/history")
    def history(number: Id) -> records.History:
        """The revisions of a photo, the newest first."""
        _photo(work, number)
        rows = work.store.rows(
            "SELECT revision, at, client, state, labels, proposals, what FROM version WHERE photo = ? "
            "ORDER BY revision DESC",
            (number,),
        )
        versions = [records.Version(**dict(row)) for row in rows]
        return records.History(versions=versions, dropped=count_dropped(work.store, number))

    @app.get("/api/photos/{number}/history/{revision}")
    def then(number: Id, revision: Id) -> records.Photo:
        """A photo as it was."""
        kept = _photo(work, number)
        return work.shown(_found(lambda: at_revision(work.store, kept, revision), "it never had this revision"))


def _add_images(app: FastAPI, work: Workspace) -> None:
    images, thumbs = CapacityLimiter(_PICTURES_AT_ONCE), CapacityLimiter(_PICTURES_AT_ONCE)  # no image waits for thumbs

    def image_of(number: int, version: str) -> Response:
        kept = _photo(work, number)
        shown, kind = work.photos.shown(kept.name)
        headers = _cached(work, kept, version)
        if isinstance(shown, Path):
            return FileResponse(shown, media_type=kind, headers=headers)
        return Response(shown, media_type=kind, headers=headers)

    def thumb_of(number: int, version: str) -> Response:
        kept = _photo(work, number)
        return Response(work.photos.thumb(kept.name), media_type="image/jpeg", headers=_cached(work, kept, version))

    @app.get("/api/photos/{number}/image", response_class=Response)
    async def image(number: Id, v: str = "") -> Response:
        """The photo, as a browser can show it."""
        return await to_thread.run_sync(image_of, number, v, limiter=images)

    @app.get("/api/photos/{number}/thumb", response_class=Response)
    async def thumb(number: Id, v: str = "") -> Response:
        """The photo, small."""
        return await to_thread.run_sync(thumb_of, number, v, limiter=thumbs)


def _add_shapes(app: FastAPI, work: Workspace) -> None:
    @app.post("/api/photos/{number}/prepare", status_code=202)
    def prepare(number: Id, wanted: records.Prepare) -> None:
        """Encode this photo for SAM, and those that are likely to be opened next."""
        names = work.neighbours([number, *wanted.next])
        if work.sam is not None:
            work.sam.prepare(names)

    @app.post("/api/photos/{number}/sam")
    async def sam(number: Id, prompt: records.Prompt, request: Request) -> records.SamShape:
        """SAM's mask for a box, points, or both. Nothing is stored. Of a page's waiting questions the newest stays."""
        if work.sam is None:
            raise HTTPException(503, work.no_sam)
        client = prompt.client or (request.client.host if request.client else "")
        return await work.sam.ask(lambda: str(_photo(work, number).name), prompt, client)

    few = CapacityLimiter(_SHAPES_AT_ONCE)

    def shapes_of(number: int, question: records.ShapesQuestion) -> records.Shapes:
        width, height = work.size_wh(_photo(work, number))
        return records.Shapes(shapes=work_on(question.operation, question.masks, (height, width)))

    @app.post("/api/photos/{number}/shapes")
    async def shapes(number: Id, question: records.ShapesQuestion) -> records.Shapes:
        """Fill holes of masks, divide them into components, merge them, or make polygons of them. Nothing is stored."""
        return await to_thread.run_sync(shapes_of, number, question, limiter=few)


def _whole(photo: records.Photo) -> Response:
    """The answer, made at once: FastAPI would check and copy each number of each mask."""
    return Response(photo.model_dump_json(), media_type="application/json")


def _cached(work: Workspace, photo: StoredPhoto, version: str) -> dict[str, str]:
    return {"Cache-Control": _FOR_EVER if version == work.photos.version(photo.name) else "no-cache"}


def _photo(work: Workspace, number: int) -> StoredPhoto:
    return _found(lambda: work.store.photo(number), "there is no such photo")


def _found(look: Callable[[], Any], otherwise: str) -> Any:
    try:
        return look()
    except KeyError as error:
        raise HTTPException(404, otherwise) from error
