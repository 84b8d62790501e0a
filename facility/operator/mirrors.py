"""All that the operator knows of the cluster, by watches, and who has to be looked at when something of it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from facility import names
from facility.operator import entries
from facility.operator.cluster import Cluster
from facility.operator.entries import Built, Held, Person
from facility.operator.facts import issuer_of, prefixes_of, secrets_of
from facility.operator.index import Index
from facility.operator.kinds import places
from facility.operator.mirror import Mirror, Watched
from facility.operator.objects import (
    CACHED_DATASET,
    FACILITY_USER,
    SECRET,
    VIRTUAL_ORGANIZATION,
    Kind,
    Manifest,
    Reference,
    reference,
)
from facility.operator.rivals import Rivals
from facility.operator.secrets import OWN
from facility.site import Site

#: things to look at that are no VO; no VO can have such a name
SITE, UIDS = "*site", "*uids"
_MANAGED = f"{names.LABEL_MANAGED_BY}={names.OPERATOR}"
#: sessions change all the time, and execute pods' tokens come and go with them: nobody's client, and nothing of ours
_SECRETS = f"{names.LABEL_COMPONENT}!=execute,owner!=helm," + ",".join(
    f"{names.API_GROUP}/component!={kind}" for kind in ("session", "tokens")
)
Place = tuple[Kind, str]


class Mirrors:
    """The mirrors, and indexes over them. `news` is told of VOs by name, and of SITE and UIDS."""

    def __init__(
        self, cluster: Cluster, site: Site, news: Callable[[str], None], restarted: Callable[[str], None]
    ) -> None:
        """`restarted`: is told of the kind whose watch has broken."""
        self._news, self._space = news, site.namespaces.facility
        self.rivals = Rivals()
        self._people: Index[str] = Index()
        self._clients: Index[str] = Index()
        self._built: Index[Reference] = Index()
        self._certificates: Index[Reference] = Index()

        def again(watched: Watched) -> Callable[[], None]:
            return lambda: restarted(watched.kind.kind)

        vos, users = Watched(VIRTUAL_ORGANIZATION, self._space), Watched(FACILITY_USER, self._space)
        self.vos = Mirror(cluster, vos, entries.without_trace, self._vo_changed, again(vos))
        self.users = Mirror(cluster, users, entries.person, self._person_changed, again(users))
        datasets = Watched(CACHED_DATASET, self._space)
        self.datasets = Mirror(cluster, datasets, entries.without_trace, self._dataset_changed, again(datasets))
        self._secrets: dict[str, Mirror[Held]] = {}
        for space in dict.fromkeys((site.namespaces.facility, site.namespaces.batch)):
            watched = Watched(SECRET, space, _SECRETS)
            self._secrets[space] = Mirror(cluster, watched, entries.held, self._secret_in(space), again(watched))
        self._owned: dict[Place, Mirror[Built]] = {}
        for kind, space in places(site):
            # what lies in no namespace may be of another facility of the same cluster
            selector = _MANAGED if space else f"{_MANAGED},{names.LABEL_FACILITY}={self._space}"
            watched = Watched(kind, space, selector, metadata_only=True)
            self._owned[kind, space] = Mirror(
                cluster, watched, entries.built, self._owned_in(kind, space), again(watched)
            )

    async def refresh(self) -> None:
        """List everything anew. Raises ClusterError: half a picture is none."""
        for mirror in self._all():
            await mirror.refresh()

    async def run(self) -> None:
        """Follow all of it for ever. `refresh` has been called once before."""
        async with asyncio.TaskGroup() as group:
            for mirror in self._all():
                group.create_task(mirror.run())

    def _all(self) -> Iterable[Mirror[Manifest] | Mirror[Person] | Mirror[Held] | Mirror[Built]]:
        return [self.vos, self.users, self.datasets, *self._secrets.values(), *self._owned.values()]

    # what is known

    def people(self, vo: str) -> list[Manifest]:
        """The FacilityUsers of a VO, in the order of their names."""
        return [self.users[name].manifest(name) for name in sorted(self._people.of(vo))]

    def datasets_of(self, vo: str) -> list[Manifest]:
        """The CachedDatasets of a VO, in the order of their names."""
        return [one for _, one in sorted(self.datasets.items()) if entries.vo_of(one) == vo]

    def built(self, ref: Reference) -> Built | None:
        """An object of the operator's as it stands, None if there is none."""
        return self._owned[ref.kind, ref.namespace].get(ref.name)

    def built_of(self, vo: str) -> frozenset[Reference]:
        """All that is labelled as this VO's; with "", what is nobody's in particular."""
        return self._built.of(vo)

    def secret(self, ref: Reference) -> Held | None:
        """A Secret that is not a session's and not an execute pod's."""
        return self._secrets[ref.namespace].get(ref.name)

    def certificates_of(self, vo: str) -> frozenset[Reference]:
        """A VO's own TLS Secrets."""
        return self._certificates.of(vo)

    def secret_keys(self, name: str) -> frozenset[str] | None:
        """The keys with a value of a Secret in the facility's namespace; None if there is no such Secret."""
        found = self._secrets[self._space].get(name)
        return found.keys if found else None

    def remembered(self) -> set[str]:
        """All VOs that there are, or of which something is left."""
        return {vo for vo in (*self.vos, *self._built, *self._certificates) if vo}

    def note(self, manifest: Manifest) -> None:
        """What the operator has just written, as the API server answered."""
        ref = reference(manifest)
        if ref.kind == VIRTUAL_ORGANIZATION:
            self.vos.note(manifest, own=True)
        elif ref.kind == FACILITY_USER:
            self.users.note(manifest)
        elif ref.kind == SECRET:
            self._secrets[ref.namespace].note(manifest, own=True)
        else:
            self._owned[ref.kind, ref.namespace].note(manifest, own=True)

    # what has changed

    def _vo_changed(self, name: str, before: Manifest | None, after: Manifest | None, own: bool) -> None:
        named, names_now = (secrets_of(one) if one else frozenset() for one in (before, after))
        for client in named - names_now:
            self._clients.move(name, client, None)
        for client in names_now - named:
            self._clients.move(name, None, client)
        concerned = self.rivals.note(name, issuer_of(after), prefixes_of(after)) if after else self.rivals.note(name)
        for one in concerned:
            self._news(one)
        if not own and _matter(before) != _matter(after):
            self._news(name)

    def _person_changed(self, name: str, before: Person | None, after: Person | None, _own: bool) -> None:
        self._people.move(name, before.vo if before else None, after.vo if after else None)
        if after and after.vo and after.uid is None:
            self._news(UIDS)  # and the VO when they have got it
        else:
            for vo in {one.vo for one in (before, after) if one and one.vo}:
                self._news(vo)

    def _dataset_changed(self, _name: str, before: Manifest | None, after: Manifest | None, _own: bool) -> None:
        """What its caches are told follows from its spec, and from whether it is done."""
        if _told(before) != _told(after):
            for vo in {entries.vo_of(one) for one in (before, after) if one} - {""}:
                self._news(vo)

    def _secret_in(self, space: str) -> Callable[[str, Held | None, Held | None, bool], None]:
        def changed(name: str, before: Held | None, after: Held | None, own: bool) -> None:
            self._certificates.move(Reference(SECRET, space, name), before and before.vo, after and after.vo)
            if own:
                return
            vos = {one.vo for one in (before, after) if one}
            for vo in filter(None, vos | (self._clients.of(name) if space == self._space else set())):
                self._news(vo)
            if name in OWN or any(one and one.ours and not one.vo for one in (before, after)):
                self._news(SITE)

        return changed

    def _owned_in(self, kind: Kind, space: str) -> Callable[[str, Built | None, Built | None, bool], None]:
        def changed(name: str, before: Built | None, after: Built | None, own: bool) -> None:
            self._built.move(Reference(kind, space, name), before and before.vo, after and after.vo)
            for vo in {one.vo for one in (before, after) if one}:
                ending = vo and vo not in self.vos and (after is None or after.going)
                if not own and not ending:
                    self._news(vo or SITE)

        return changed


def _told(dataset: Manifest | None) -> object:
    """What of a dataset its VO's caches are told."""
    return dataset and (dataset.get("spec"), dataset["metadata"].get("generation"), entries.reason_of(dataset))


def _matter(vo: Manifest | None) -> object:
    """What of a VO is more than its status, which the operator writes itself."""
    keys = ("uid", "generation", "deletionTimestamp", "finalizers")
    return vo and [vo["metadata"].get(key) for key in keys]
