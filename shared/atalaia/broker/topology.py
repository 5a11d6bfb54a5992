"""The streams as they should be: created, or brought up to date, any number of times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StoreCompression, StreamConfig, SubjectTransform
from nats.js.errors import APIError, BadRequestError, NotFoundError
from nats.js.errors import Error as JetStreamError

from atalaia.errors import Misconfigured, Transient
from atalaia.events.streams import Stream

_IN_USE_WITH_OTHER_CONFIG = 10058
_NO_ROOM = 10047
_NO_PEERS = 10005
LEAST_BYTES = 16 * 2**20


async def ensure_streams(
    js: JetStreamContext, streams: Iterable[Stream], *, replicas: int = 1, only_missing: bool = False
) -> None:
    """Create what is missing and, unless `only_missing`, update what differs.

    A stream for whose `max_bytes` the broker has no room is kept smaller, until there is.

    Raises:
        Transient: the broker is away or not ready.
        Misconfigured: the broker refuses the stream for good.
    """
    for stream in streams:
        try:
            await _ensure(js, stream, replicas, only_missing)
        except BadRequestError as error:
            raise Misconfigured(
                f"stream {stream.name}: the broker refuses it: {error.description}"
            ) from error
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"stream {stream.name}: {str(error) or repr(error)}") from error


async def _ensure(js: JetStreamContext, stream: Stream, replicas: int, only_missing: bool) -> None:
    config = _config(stream, replicas)
    try:
        # asked first: to create what is there already is refused where the disk has no room for a second one
        found = (await js.stream_info(stream.name)).config
    except NotFoundError:
        await _add(js, config)
        return
    if not only_missing and _differs(found, config):
        await _update(js, found, config)


async def _add(js: JetStreamContext, config: StreamConfig) -> None:
    while True:
        try:
            await js.add_stream(config)
        except APIError as error:
            if error.err_code == _IN_USE_WITH_OTHER_CONFIG:
                return  # another replica was faster
            smaller = (config.max_bytes or 0) // 2
            if not _has_no_room(error) or smaller < LEAST_BYTES:
                raise
            config = replace(config, max_bytes=smaller)
        else:
            return


async def _update(js: JetStreamContext, found: StreamConfig, config: StreamConfig) -> None:
    try:
        await js.update_stream(config)
    except APIError as error:
        as_large = replace(config, max_bytes=found.max_bytes)
        if not _has_no_room(error) or as_large == config:
            raise
        if _differs(found, as_large):
            await js.update_stream(as_large)


def _has_no_room(error: APIError) -> bool:
    """Return whether the disk is too small for a limit: of a single node, or of those of a cluster."""
    in_a_cluster = error.err_code == _NO_PEERS and "insufficient storage" in (error.description or "")
    return error.err_code == _NO_ROOM or in_a_cluster


def _differs(found: StreamConfig, wanted: StreamConfig) -> bool:
    """Return whether anything that we have an opinion on is otherwise."""
    return any(getattr(found, name) != value for name, value in vars(wanted).items() if value is not None)


def _config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        max_msgs_per_subject=stream.max_msgs_per_subject,
        duplicate_window=stream.duplicate_window_s,
        compression=StoreCompression.S2 if stream.compressed else StoreCompression.NONE,
        subject_transform=SubjectTransform(*stream.transform) if stream.transform else None,
        num_replicas=replicas,
        allow_direct=True,
    )
