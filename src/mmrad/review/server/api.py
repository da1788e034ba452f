"""The JSON routes and the pictures; the guard has let their requests in already.

A sample is named by its id alone, which is looked up and never made into a path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import ValidationError
from starlette.responses import FileResponse, JSONResponse, Response

from mmrad.errors import UsageError
from mmrad.review.access import session_of
from mmrad.review.application import Application
from mmrad.review.criteria import Criteria
from mmrad.review.decision import Decision, Segmenting, TextCheck, read_sent, whole_box
from mmrad.review.desk import ForbiddenError, Json, Seat, region_json, review_json
from mmrad.review.pictures import Picture
from mmrad.review.records import ConflictError, Queue, Role
from mmrad.review.store.store import Store
from mmrad.sample import Sample

MOST_SAMPLES = 500
MOST_TASKS = 20

_PRIVATE = "private, no-cache"
"""A browser may keep a picture, and asks each time whether it is still the same."""


async def _read_body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_read_body)]
Route = Callable[..., Response]
Id = Annotated[str, Query(max_length=1000)]


class Api:
    """The routes under `/api`, and the pictures.

    Args:
        application: The application.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._index, self._ledger = application.index, application.ledger
        self._desk, self._assist = application.desk, application.assist
        self._pictures = application.pictures

    def routes(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        reading: dict[str, Route] = {
            "/api/session": self.session,
            "/api/queues/{key}/next": self.next_tasks,
            "/api/sample": self.sample,
            "/api/samples": self.samples,
            "/api/proposals": self.proposals,
            "/image": self.image,
            "/reference": self.reference,
            "/mask": self.mask,
            "/thumb": self.thumb,
        }
        changing: dict[str, Route] = {
            "/api/reviews": self.decide,
            "/api/verify": self.verify,
            "/api/segment": self.segment,
        }
        for path, route in reading.items():
            router.add_api_route(path, route, methods=["GET"], response_model=None)
        for path, route in changing.items():
            router.add_api_route(path, route, methods=["POST"], response_model=None)
        router.add_api_route("/api/{rest:path}", _unknown, methods=["GET", "POST"], response_model=None)
        return router

    def session(self, request: Request) -> Response:
        """Who asks, and what changes must carry."""
        session = session_of(request.scope)
        return JSONResponse(
            {
                "person": {"name": session.user.name, "role": session.user.role},
                "csrf": session.csrf,
                "accounts": self._application.access.accounts,
                "read_only": self._application.read_only,
            }
        )

    def next_tasks(
        self,
        request: Request,
        key: str,
        count: Annotated[int, Query(ge=1, le=MOST_TASKS)] = 3,
        after: Annotated[int, Query(ge=-1)] = -1,
    ) -> Response:
        """What the person can review next in a queue; it is theirs for some minutes."""
        store, person = self._store(), session_of(request.scope).user
        queue = self._queue(key)
        tasks = store.next_tasks(queue.key, person.name, count, after=after)
        self._ledger.refresh()
        return JSONResponse(
            {
                "tasks": [{"position": task.position, "sample_id": task.sample_id} for task in tasks],
                "progress": asdict(store.progress(queue.key, person.name)),
            }
        )

    def sample(
        self, request: Request, id: Id, queue: str | None = None, adjudicate: bool = False
    ) -> Response:
        """What the desk shows of a sample."""
        found = self._sample(id)
        return JSONResponse(self._described(found, self._seat(request, found, queue, adjudicate)))

    def decide(self, request: Request, body: Body) -> Response:
        """Take a decision; when it is answered, it is on the disk."""
        decision = read_sent(Decision, body)
        sample = self._sample(decision.sample_id)
        seat = self._seat(request, sample, decision.queue)
        self._check_assignee(sample, seat)
        try:
            self._desk.decide(decision, sample, seat)
        except ForbiddenError as error:
            raise HTTPException(403, str(error)) from error
        except ConflictError as conflict:
            reviews = [review_json(review) for review in conflict.reviews]
            told = {"error": str(conflict), "reviews": reviews, "sample": self._described(sample, seat)}
            return JSONResponse(told, 409)
        return JSONResponse(
            {
                "status": self._ledger.standing(sample.id).status,
                "seen": self._ledger.seen(sample.id, seat.track),
                "progress": self._progress(seat),
            }
        )

    def verify(self, body: Body) -> Response:
        """Verify a text against regions while it is being edited."""
        asked = read_sent(TextCheck, body)
        return JSONResponse(self._desk.check(asked, self._sample(asked.sample_id)))

    def proposals(self, id: Id, name: Annotated[str, Query(max_length=200)]) -> Response:
        """Regions that an expert or a model proposes."""
        regions = self._assist.regions(self._sample(id), name)
        return JSONResponse({"regions": [region_json(region) for region in regions]})

    def segment(self, body: Body) -> Response:
        """A box tightened around what lies in it, or null when nothing stands out."""
        asked = read_sent(Segmenting, body)
        sample = self._sample(asked.id)
        if not self._assist.can_segment:
            raise HTTPException(404, "there are no weights of SAM; start with --sam WEIGHTS")
        box = self._assist.tighten(sample, whole_box(asked.box, sample.size_wh, "box"))
        return JSONResponse({"box": box and [int(value) for value in box.xyxy]})

    def samples(
        self,
        criteria: str = "{}",
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_SAMPLES)] = 100,
    ) -> Response:
        """A part of the samples that meet criteria, and for the first part counts of all of them."""
        try:
            wanted = Criteria.model_validate_json(criteria)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise UsageError(f"criteria: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        if offset == 0:
            self._ledger.refresh()
        statuses = self._ledger.statuses()
        rows = self._index.select(wanted, statuses)
        ids = [self._index.ids[row] for row in rows[offset : offset + limit]]
        found: Json = {"total": len(rows), "samples": [self._listed(id_, wanted.run) for id_ in ids]}
        if offset == 0:
            found["facets"] = self._index.facets(wanted, statuses)
        return JSONResponse(found)

    def image(self, request: Request, id: Id) -> Response:
        """The query image."""
        return _sent(request, self._pictures.query(self._sample(id)))

    def reference(self, request: Request, id: Id, rank: Annotated[int, Query(ge=0)] = 0) -> Response:
        """A reference."""
        sample = self._sample(id)
        if rank >= len(self._application.corpus.references.get(sample.id, ())):
            raise HTTPException(404, "the sample has no such reference")
        return _sent(request, self._pictures.reference(sample, rank))

    def mask(self, request: Request, id: Id) -> Response:
        """The marked pixels."""
        picture = self._pictures.mask(self._desk.shown(self._sample(id)))
        if picture is None:
            raise HTTPException(404, "the sample has no mask")
        return _sent(request, picture)

    def thumb(self, request: Request, id: Id) -> Response:
        """The query image, small."""
        return _sent(request, self._pictures.thumbnail(self._sample(id)))

    def _store(self) -> Store:
        store = self._application.store
        if store is None:
            raise HTTPException(403, "nothing can be decided here: `mmrad view` only shows")
        return store

    def _sample(self, sample_id: str) -> Sample:
        try:
            return self._index.sample(sample_id)
        except UsageError as error:
            raise HTTPException(404, "there is no sample with this id") from error

    def _queue(self, key: str) -> Queue:
        store = self._store()
        try:
            return store.queue("".join(filter(str.isprintable, key)))  # PostgreSQL knows no NUL
        except UsageError as error:
            raise HTTPException(404, "there is no such queue") from error

    def _seat(self, request: Request, sample: Sample, key: str | None, judging: bool = False) -> Seat:
        person = session_of(request.scope).user
        if judging and not person.role.allows(Role.ADMIN):
            raise HTTPException(403, "only an admin settles disputes")
        if key is None:
            return Seat(person, judging=judging)
        return Seat(person, self._queue(key), judging)

    def _check_assignee(self, sample: Sample, seat: Seat) -> None:
        """Refuse a decision in a queue on a sample that is not in it, or is another person's there."""
        store = self._store()
        if seat.queue is None:
            return
        assignee = store.task_of(seat.queue.key, sample.id).assignee
        if assignee not in (None, seat.person.name) and not seat.person.role.allows(Role.ADMIN):
            raise HTTPException(403, "the sample is assigned to somebody else")

    def _progress(self, seat: Seat) -> Json | None:
        if seat.queue is None:
            return None
        return asdict(self._store().progress(seat.queue.key, seat.person.name))

    def _described(self, sample: Sample, seat: Seat) -> Json:
        address = quote(sample.id, safe="")
        references = self._application.corpus.references.get(sample.id, ())
        told = self._desk.describe(sample, seat)
        masked = any(region["mask"] for region in told["regions"])
        return {
            **told,
            "image": f"/image?id={address}",
            "mask": f"/mask?id={address}" if masked else None,
            "references": [f"/reference?id={address}&rank={rank}" for rank in range(len(references))],
            "proposals": self._assist.names(sample),
        }

    def _listed(self, sample_id: str, run: str | None) -> Json:
        sample = self._desk.shown(self._index.sample(sample_id))
        return {
            "id": sample.id,
            "source": sample.source,
            "category": sample.category,
            "split": sample.split,
            "size_wh": sample.size_wh,
            "regions": [region_json(region) for region in sample.regions],
            "status": self._ledger.standing(sample.id).status,
            "findings": self._index.findings(sample.id),
            "thumb": f"/thumb?id={quote(sample.id, safe='')}",
            "verdict": self._verdict(run, sample.id) if run else None,
        }

    def _verdict(self, run: str, sample_id: str) -> Json | None:
        verdict = self._index.verdict(run, sample_id)
        if verdict is None:
            return None
        return {
            "kind": self._index.judged(run, sample_id),
            "regions": [region_json(region) for region in verdict.regions],
        }


def _unknown(rest: str) -> Response:
    raise HTTPException(404, "there is no such address")


def _sent(request: Request, picture: Picture) -> Response:
    """A picture, or that the browser has it already."""
    etag = f'"{picture.etag}"'
    headers = {"ETag": etag, "Cache-Control": _PRIVATE}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if isinstance(picture.content, bytes):
        return Response(picture.content, headers=headers, media_type=picture.media_type)
    return FileResponse(picture.content, headers=headers, media_type=picture.media_type)
