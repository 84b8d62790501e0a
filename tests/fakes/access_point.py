"""An access point without HTCondor: a credential directory, a queue, a broker and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from facility.condor.credentials import Credentials, File
from facility.condor.jobs import OwnerJobs
from facility.condor.keeper import PERIOD, Keeper
from facility.condor.waiting import Waiting
from facility.exchange import Broker
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving

REFRESH = 10.0
LAKE, RUCIO = "https://origin.test", "rucio"
SERVICES = {"cms": LAKE, "rucio": RUCIO}


def jobs(owner: str, *services: str, **counts: int) -> OwnerJobs:
    """An owner's jobs; each needs the lake's token."""
    return replace(OwnerJobs(owner, **counts), services=("cms", *services))


@dataclass
class AccessPoint:
    """What the credential monitor works on. commands: what it had HTCondor do; refuses: what HTCondor answers."""

    broker: TokenBroker
    authority: Authority
    root: Path
    clock: Clock = field(default_factory=Clock)
    log: list[str] = field(default_factory=list)
    commands: list[Sequence[str]] = field(default_factory=list)
    refuses: str = ""

    def keeper(self, refresh: float = REFRESH, services: Mapping[str, str] = SERVICES) -> Keeper:
        """A keeper that has just been started."""
        identity = self.root / "identity"
        identity.write_text(IDENTITY)
        outside = Broker(self.broker.url, identity, self.authority.client, self.clock)
        return Keeper("cms", services, refresh, outside, self.files, self.clock, self.log.append)

    def waiting(self) -> Waiting:
        """What holds jobs, just started."""
        return Waiting(self.clock, self.log.append, self._run)

    @property
    def directory(self) -> Path:
        """Where the token files are."""
        return self.root / "credentials"

    @property
    def files(self) -> Credentials:
        """The token files."""
        return Credentials(self.directory)

    def token(self, owner: str, service: str = "cms") -> str:
        """A token file's content."""
        return (self.directory / owner / f"{service}.use").read_text()

    def there(self) -> list[File]:
        """The files that are there."""
        return sorted(self.files.found())

    def rounds(self, keeper: Keeper, found: Sequence[OwnerJobs], seconds: float) -> None:
        """Rounds over an unchanging queue for so long."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            keeper.round(found)
            self.clock.pass_by(PERIOD)

    def _run(self, command: Sequence[str]) -> str:
        self.commands.append(command)
        return self.refuses


@contextmanager
def access_point(directory: Path, broker: TokenBroker | None = None) -> Iterator[AccessPoint]:
    """One with nothing in it yet, beside a broker."""
    (directory / "credentials").mkdir()
    authority = Authority(directory)
    with serving(authority, broker or TokenBroker()) as found:
        yield AccessPoint(found, authority, directory)
