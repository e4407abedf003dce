"""The relay hands on what stands behind the last id that it saw, as if ids were committed in their order."""

EDITS = (
    (
        "storage/outgoing.py",
        """            rows = connection.rows(_WAITING, {"limit": limit})
""",
        """            rows = connection.rows(_WAITING, {"limit": 100_000})
            last = self.__dict__.get("last", "")
            rows = [row for row in rows if row.id > last]
            self.last = max([last, *(row.id for row in rows)])
""",
    ),
)
SQL = ()
