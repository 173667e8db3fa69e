"""States in Redis: they survive the process, and other machines read them.

One script a call (:mod:`feature_store.stores.redis_scripts`): a decision is one round trip whatever its entities, and a
write happens whole or not. Records are packed here and opaque there, but for where their
labels begin.

One Redis, or one primary; of a cluster, one shard holds a state, by the braces in its prefix.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from feature_store.definition import Event, LabelOf
from feature_store.errors import StateLost, StoreUnavailable
from feature_store.stores import redis_scripts as scripts
from feature_store.stores.port import EventStore, KeptRow, Key, RowStore, Seen, StateName, StoredRow, kept, kept_row
from feature_store.stores.records import EventCodec, RowCodec
from feature_store.table_view import TableView
from feature_store.view import FeatureView

_TIMEOUT_SECONDS = 2.0
_WRITTEN_AT_ONCE = 500  # some milliseconds of a server that does one thing at a time
_TAKEN_AT_ONCE = 64
_FORGOTTEN_AT_ONCE = 64
_LONGEST_MS = 400 * 86_400_000  # of a table view without a TTL: after so long without a write nobody wants it
_UNLINKED_AT_ONCE = 1_000


class RedisStore:
    """States in one database of a Redis server.

    Args:
        host: Its name.
        port: Its port.
        database: Number of the database.
        password: Never shown.
        tls: Whether to speak TLS.
        namespace: What all keys begin with.

    Raises:
        StoreUnavailable: It does not answer.
    """

    def __init__(
        self,
        host: str,
        port: int,
        database: int = 0,
        *,
        password: str | None = None,
        tls: bool = False,
        namespace: str = "ledgerline",
    ) -> None:
        self.named = f"redis://{host}:{port}/{database}"
        self._namespace = namespace
        self._hashes: dict[str, str] = {}
        self._client = redis.Redis(
            host=host,
            port=port,
            db=database,
            password=password,
            ssl=tls,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # Every script may run twice to the same effect; a second try meets a connection that was merely idle.
            retry=Retry(NoBackoff(), 1),
        )
        self.call("PING")

    def events(self, view: FeatureView, name: StateName) -> EventStore:
        """Return a state; see :class:`~feature_store.stores.port.OnlineStore`."""
        return _RedisEvents(self, self._state(view, name), view)

    def rows(self, view: TableView, name: StateName) -> RowStore:
        """Return a state; see :class:`~feature_store.stores.port.OnlineStore`."""
        return _RedisRows(self, self._state(view, name), view)

    def drop_others(self, owner: str, kept: Collection[StateName]) -> None:
        """Forget an owner's other states; see :class:`~feature_store.stores.port.OnlineStore`."""
        for member in self.call("SMEMBERS", self._states(owner)):
            generation, prefix = json.loads(member)
            if StateName(owner, generation) in kept:
                continue
            keys = [f"{prefix}{key}" for key in {*scripts.EVENTS_IN_KEYS, *scripts.ROWS_IN_KEYS}]
            keys += [f"{prefix}{field.decode()}" for field in self.call("HKEYS", f"{prefix}count")]
            for first in range(0, len(keys), _UNLINKED_AT_ONCE):
                self.call("UNLINK", *keys[first : first + _UNLINKED_AT_ONCE])
            self.call("SREM", self._states(owner), member)

    def delete_namespace(self) -> None:
        """Delete every key of the namespace, whoever wrote it: it goes through all keys of the database."""
        for key in self._client.scan_iter(match=f"{self._namespace}:*", count=_UNLINKED_AT_ONCE):
            self.call("UNLINK", key)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """Run a script.

        Raises:
            StateLost: It found a state that Redis dropped parts of.
            StoreUnavailable: Redis does not answer.
        """
        try:
            return self.call("EVALSHA", self._hash(script), len(keys), *keys, *arguments)
        except _ScriptForgotten:  # Redis was started anew
            return self.call("EVAL", script, len(keys), *keys, *arguments)

    def run_in_a_row(self, *calls: tuple[str, Sequence[str], Sequence[str | bytes | int]]) -> list[Any]:
        """Run scripts one after the other in one round trip, each given by what :meth:`run` takes.

        Raises:
            StateLost: One found a state that Redis dropped parts of.
            StoreUnavailable: Redis does not answer.
        """
        together = self._client.pipeline(transaction=False)
        for script, keys, arguments in calls:
            together.execute_command("EVALSHA", self._hash(script), len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]
        try:
            answers = together.execute(raise_on_error=False)
        except (RedisError, OSError) as silent:
            raise self._unavailable(silent) from None
        # Every script may run twice to the same effect, so one that Redis forgot is run again with those behind it.
        for place, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                return answers[:place] + [self.run(*call) for call in calls[place:]]
            if isinstance(answer, Exception):
                raise self._refused(answer)
        return list(answers)

    def _hash(self, script: str) -> str:
        known = self._hashes.get(script)
        if known is None:
            known = self._hashes[script] = str(self.call("SCRIPT LOAD", script))
        return known

    def call(self, *command: str | bytes | int) -> Any:
        """Send a command.

        Raises:
            StateLost: A script found a state that Redis dropped parts of.
            StoreUnavailable: Redis does not answer.
        """
        try:
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except NoScriptError:
            raise _ScriptForgotten from None
        except ResponseError as refused:
            raise self._refused(refused) from None
        except (RedisError, OSError) as silent:
            raise self._unavailable(silent) from None

    def _refused(self, error: Exception) -> StateLost | StoreUnavailable:
        if str(error).startswith("LOST"):
            return StateLost(
                f"the online store {self.named} dropped parts of a state, by age or for want of memory ({error}); let "
                "its memory suffice (maxmemory-policy noeviction) and bootstrap the state anew"
            )
        return self._unavailable(error)

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(
            f"the online store {self.named} does not answer ({type(error).__name__}: {error}); nothing was half written"
        )

    def _state(self, view: FeatureView | TableView, name: StateName) -> str:
        """Return the prefix of a state's keys, which is noted under its owner."""
        of = f"{name.owner}/{name.generation}/{view.name}/{view.fingerprint[:16]}"
        prefix = f"{self._namespace}:{{{of}}}:"
        states = self._states(name.owner)
        self.call("SADD", states, json.dumps([name.generation, prefix]))
        self.call("PEXPIRE", states, _LONGEST_MS)
        return prefix

    def _states(self, owner: str) -> str:
        return f"{self._namespace}:states:{owner}"


class _ScriptForgotten(Exception):
    """Redis does not know a script by its hash."""


class _State:
    """What both kinds of state share.

    Args:
        store: The server.
        prefix: What the state's keys begin with.
        keys: Its keys.
    """

    at_once = _WRITTEN_AT_ONCE

    def __init__(self, store: RedisStore, prefix: str, keys: Sequence[str]) -> None:
        self._store = store
        self._prefix = prefix
        self._keys = tuple(f"{prefix}{key}" for key in keys)
        self._written = False

    def _newest(self, found: bytes) -> int | None:
        """Return the newest instant that the state holds.

        Raises:
            StateLost: There is no state, and there was one.
        """
        if found:
            self._written = True
            return int(found)
        if self._written:
            raise StateLost(
                f"the online store {self._store.named} holds nothing any more of what was written; bootstrap the state "
                "anew"
            )
        return None


class _RedisEvents(_State):
    """The events of one state; see :class:`~feature_store.stores.port.EventStore`."""

    def __init__(self, store: RedisStore, prefix: str, view: FeatureView) -> None:
        super().__init__(store, prefix, scripts.EVENTS_IN_KEYS)
        self._codec = EventCodec(view)
        self._kept = kept(view)
        self._lifetime = self._kept // 1_000 + 1
        self._places = tuple(f"of:{place}:" for place in range(len(view.entities)))

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return int(self._store.call("HLEN", f"{self._prefix}event"))

    def write(self, events: Sequence[Event], labels: Sequence[LabelOf], *, as_of: int | None = None) -> None:
        """Take up events and labels by one script."""
        written = self._writing(events, labels, as_of)
        if written is not None:
            self._newest(self._store.run(scripts.WRITE_EVENTS, self._keys, written))

    def _writing(
        self, events: Sequence[Event], labels: Sequence[LabelOf], as_of: int | None
    ) -> list[str | bytes | int] | None:
        instants = [event.available_at for event in events] + [said.label.known_from for said in labels]
        instants += [] if as_of is None else [as_of]
        if not instants:
            return None
        arguments: list[str | bytes | int] = [
            self._prefix,
            self._lifetime,
            len(self._places),
            self._codec.head,
            self._codec.width,
            max(instants),
            _FORGOTTEN_AT_ONCE + len(instants),
            len(events),
            len(labels),
            int(self._written),
        ]
        for event in events:
            arguments += (event.id, event.available_at, event.event_time + self._kept, self._codec.event(event))
            arguments += [place + entity for place, entity in zip(self._places, event.entities, strict=True)]
        for said in labels:
            arguments += (said.event_id, said.newest_instant + self._kept, self._codec.labels([said.label]))
        return arguments

    def read(self, entities: Sequence[str | None], event_id: str | None) -> Seen:
        """Return what is remembered of a decision's entities, by one script."""
        return self._seen(self._store.run(scripts.READ_EVENTS, *self._reading(entities, event_id)), event_id)

    def take(self, events: Sequence[Event]) -> list[Seen]:
        """Return what is remembered of each event's entities, and take it up before the next: one round trip."""
        held = []
        for first in range(0, len(events), _TAKEN_AT_ONCE):
            some = events[first : first + _TAKEN_AT_ONCE]
            found = self._store.run_in_a_row(*(call for event in some for call in self._taking(event)))
            held += [self._seen(read, event.id) for event, read in zip(some, found[::2], strict=True)]
            self._newest(found[-1])
        return held

    def _taking(self, event: Event) -> Iterator[tuple[str, Sequence[str], list[str | bytes | int]]]:
        yield (scripts.READ_EVENTS, *self._reading(event.entities, event.id))
        yield scripts.WRITE_EVENTS, self._keys, self._writing([event], [], None) or []

    def _reading(
        self, entities: Sequence[str | None], event_id: str | None
    ) -> tuple[Sequence[str], list[str | bytes | int]]:
        fields = [
            "" if entity is None else place + entity for place, entity in zip(self._places, entities, strict=True)
        ]
        asked: list[str | bytes | int] = [0, ""] if event_id is None else [1, event_id]
        arguments: list[str | bytes | int] = [*asked, self._codec.head, self._codec.width]
        for field, reads_labels in zip(fields, self._codec.reads_labels, strict=True):
            arguments += (field, int(reads_labels))
        return (*self._keys, *(self._prefix + field for field in fields)), arguments

    def _seen(self, found: Sequence[bytes], event_id: str | None) -> Seen:
        newest, known, early, *columns = found
        return Seen(
            tuple(self._codec.read_columns(*columns[at : at + 4]) for at in range(0, len(columns), 4)),
            self._codec.read_event(event_id, known) if known and event_id is not None else None,
            self._codec.read_labels(early),
            self._newest(newest),
        )


class _RedisRows(_State):
    """The rows of one state; see :class:`~feature_store.stores.port.RowStore`."""

    def __init__(self, store: RedisStore, prefix: str, view: TableView) -> None:
        super().__init__(store, prefix, scripts.ROWS_IN_KEYS)
        self._codec = RowCodec(view)
        self._kept = kept_row(view)
        self._lifetime = _LONGEST_MS if self._kept is None else self._kept // 1_000 + 1

    def write(self, rows: Sequence[StoredRow]) -> None:
        """Take up rows by one script."""
        if not rows:
            return
        newest = max(row.available_at for row in rows)
        arguments: list[str | bytes | int] = [
            self._lifetime,
            newest,
            _FORGOTTEN_AT_ONCE + len(rows),
            int(self._written),
        ]
        for row in rows:
            expires = "" if self._kept is None else row.event_time + self._kept
            arguments += (json.dumps(row.key), expires, self._codec.row(row))
        self._newest(self._store.run(scripts.WRITE_ROWS, self._keys, arguments))

    def read(self, key: Key) -> KeptRow:
        """Return the row of a key."""
        newest, record = self._store.run(scripts.READ_ROW, self._keys, [json.dumps(key)])
        return KeptRow(self._codec.read_row(key, record) if record else None, self._newest(newest))
