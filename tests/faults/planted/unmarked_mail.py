"""The try to send a mail is not written down before it begins."""

EDITS = (
    (
        "penstock/mail.py",
        "        self.begun_at, self.attempts = now, self.attempts + 1\n",
        "        self.attempts += 1\n",
    ),
)
SQL = ()
