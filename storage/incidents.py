"""What happened to connections, as events. An incident has no row: its two events are all that is kept of it."""

from datetime import datetime

from penstock.health import Incident
from storage.events import write_events
from storage.scoped import ScopedConnection


class IncidentRows:
    """The incidents of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def note(self, incident: Incident) -> None:
        """Write what the incident has noted."""
        write_events(self._connection, "connector", incident.id, incident, self._now)
