"""What the review application is made of: its pages and routes work with this."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from nicegui import context

from mmrad.bench.run import Run
from mmrad.corpus import Corpus
from mmrad.errors import MmradError, UsageError
from mmrad.review.access import Access, is_loopback
from mmrad.review.assist import Assist
from mmrad.review.desk import DeskService
from mmrad.review.index.samples import SampleIndex
from mmrad.review.pictures import Pictures
from mmrad.review.records import Role, Session, User
from mmrad.review.store.ledger import Ledger
from mmrad.review.store.store import Store


@dataclass(frozen=True, slots=True)
class Options:
    """How the application is served.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        prefix: Path under which a reverse proxy shows it, as `/mmrad`; empty for the root.
        behind_proxy: Whether a reverse proxy with TLS stands before it.
        reviewer: Name of the person who works without logging in.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    prefix: str = ""
    behind_proxy: bool = False
    reviewer: str = "local"

    @property
    def exposed(self) -> bool:
        """Whether other machines reach it."""
        return self.behind_proxy or not is_loopback(self.host)


class Application:
    """What pages and routes work with.

    Args:
        corpus: The corpus.
        store: The database, or None to look only.
        runs: Runs on the corpus.
        options: How it is served.
        sam: Folder of a Segment Anything model, to tighten boxes.

    Attributes:
        index: What is known of each sample.
        pictures: Images, masks and thumbnails.
        ledger: How samples stand.
        desk: What is told of a sample, and decisions.
        access: Who asks.
        assist: Proposes boxes.

    Raises:
        UsageError: When other machines could reach it and nobody could log in, or only without TLS.
        DataError: When the corpus or a run is damaged.
    """

    def __init__(
        self,
        corpus: Corpus,
        store: Store | None,
        runs: Sequence[Run] = (),
        options: Options = Options(),
        sam: Path | None = None,
    ) -> None:
        role = Role.ADMIN if store else Role.VIEWER
        self.corpus = corpus
        self.store = store
        self.options = options
        self.access = Access(store, User(options.reviewer, role), exposed=options.exposed)
        if options.exposed and not options.behind_proxy:
            raise UsageError(
                f"{options.host} is reached from other machines, and mmrad has no TLS: put a reverse proxy "
                "before it, and say --behind-proxy (docs/deploy.md)"
            )
        self.index = SampleIndex(corpus, runs)
        self.pictures = Pictures(corpus, corpus.path / ".cache")
        self.ledger = Ledger(store, corpus.path)
        self.desk = DeskService(self.index, self.ledger)
        self.assist = Assist(self.index, runs, sam)

    def warm(self) -> None:
        """Read meanwhile what the first visitors would wait for; what fails is told to those who need it."""

        def read() -> None:
            with suppress(MmradError):
                self.index.warm()

        Thread(target=read, daemon=True).start()

    @property
    def read_only(self) -> bool:
        """Whether nobody can decide anything here."""
        return self.store is None

    def url(self, path: str) -> str:
        """An address of the application as a browser asks for it: with the prefix.

        Args:
            path: As in the application, beginning with `/`.
        """
        return self.options.prefix + path

    def person(self) -> User:
        """Who looks at the NiceGUI page that is being built or whose event is being handled.

        Raises:
            UsageError: When the person has logged out since the page was built.
        """
        return self._session().user

    def csrf(self) -> str:
        """What requests of the page that is being built send as `X-CSRF-Token`; see `person`."""
        return self._session().csrf

    def _session(self) -> Session:
        session = self.access.session(context.client.request.scope)
        if session is None:
            raise UsageError("your session has ended; log in again")
        return session
