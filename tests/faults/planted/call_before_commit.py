"""The provider is called before the attempt is committed, with the transaction open."""

EDITS = (
    (
        "penstock/boundary.py",
        '    """Raise `CalledInsideTransaction` if this context holds an open unit of work."""\n',
        '    """Let everything pass."""\n    return\n',
    ),
    (
        "penstock/flows/complete_session.py",
        "            return begin_payment(uow, cascade, caller, session_id, completion)\n",
        (
            "            begun = begin_payment(uow, cascade, caller, session_id, completion)\n"
            "            if isinstance(begun, Begun):\n"
            "                key = begun.payment.attempts[-1].id\n"
            "                cascade.call(begun.candidates[0], replace(begun.request, key=key))\n"
            '                failpoint("provider.after_send")\n'
            "            return begun\n"
        ),
    ),
)
SQL = ()
