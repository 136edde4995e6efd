"""KPIs as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from io import SEEK_END
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from api.exporting import export_kpis
from api.happenings import Happenings
from api.routes.access import services, viewer
from api.routes.business import aware
from api.routes.known import KNOWN_ONLY
from kpis.exports.formats import FORMATS, format_named

router = APIRouter(prefix="/api/v1", tags=["business"], dependencies=[KNOWN_ONLY])
IN_MEMORY = 4 << 20
CHUNK = 1 << 16
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {one.media_type: {"schema": {"type": "string", "format": "binary"}} for one in FORMATS.values()},
    }
}


@router.get(
    "/kpis/export", summary="KPIs as a file: XLSX, CSV, Parquet or PDF", response_class=StreamingResponse,
    responses=ANSWERS,
)  # fmt: skip
def export(
    request: Request,
    format: Annotated[str, Query(description="xlsx, csv, parquet or pdf")] = "xlsx",
    kpi: Annotated[list[str] | None, Query(description="a KPI's id, as often as wanted; all when left out")] = None,
    start: Annotated[
        datetime | None, Query(description="with its zone; the grain's usual period when left out")
    ] = None,
    end: Annotated[datetime | None, Query(description="with its zone, not included; now when left out")] = None,
    grain: Annotated[str, Query(description="length of a bucket")] = "day",
    dimension: Annotated[
        list[str] | None, Query(description="whose values are exported beside the totals; * for every dimension")
    ] = None,
    dimension_value: Annotated[list[str] | None, Query(description="only these values of the dimensions")] = None,
) -> StreamingResponse:
    """Buckets that start in [start, end). The file is whole before the answer begins, so an error is never half a file.

    Text cells are never formulas. Each KPI comes with definition version, target and data-through time.
    """
    found, who, kind = services(request), viewer(request), format_named(format)
    with ExitStack() as unsent:
        file: SpooledTemporaryFile[bytes] = unsent.enter_context(SpooledTemporaryFile(max_size=IN_MEMORY))
        name = export_kpis(
            found.ch,
            found.definitions.of(who.tenant),
            found.clock,
            who.tenant,
            kind,
            file,
            Happenings(found.ch, found.state, found.models.streams, found.value.money_notes),
            kpis=kpi or (),
            start=aware(start, "start"),
            end=aware(end, "end"),
            grain=grain,
            dimensions=dimension or (),
            dimension_values=dimension_value or (),
            state=found.state,
        )
        file.seek(0, SEEK_END)
        size = file.tell()
        file.seek(0)
        unsent.pop_all()  # from here on whoever sends it closes it
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(size)}
    return StreamingResponse(_chunks(file), media_type=kind.media_type, headers=headers)


def _chunks(file: SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
