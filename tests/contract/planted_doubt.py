"""Bugs to plant where an outcome is unknown: (what is broken, file, old, new, tests, words in their names)."""

VECTORS, HEALTH = "tests/contract/test_vectors.py", "tests/unit/test_health.py"

BUGS = [
    (
        "declines count against a provider's health",
        "penstock/health.py",
        '    return verdict.state in ("not_sent", "unknown")\n',
        '    return verdict.state in ("not_sent", "unknown", "declined")\n',
        HEALTH,
        "answer_never_counts",
    ),
    (
        "the repeat goes under a new key",
        "penstock/flows/clear_doubt.py",
        "        repeated = cascade.call(candidate, request, within=ASK_SECONDS)\n",
        '        repeated = cascade.call(candidate, ChargeRequest(f"{request.key}-2", request.money, request.method, "t"), within=ASK_SECONDS)\n',
        VECTORS,
        "vector_03_silence and sqlite",
    ),
    (
        "a repeat that was refused is believed to be the first one's answer",
        "penstock/flows/clear_doubt.py",
        '    return repeated.state in ("approved", "pending", "declined")\n',
        '    return repeated.state != "unknown"\n',
        VECTORS,
        "vector_03_a_repeat and sqlite",
    ),
    (
        "not found is believed too early",
        "penstock/flows/clear_doubt.py",
        "    if after is not None and age >= timedelta(seconds=after):\n",
        "    if after is not None:\n",
        VECTORS,
        "vector_05 and sqlite",
    ),
    (
        "not found is believed of everybody",
        "penstock/flows/clear_doubt.py",
        "    if after is not None and age >= timedelta(seconds=after):\n",
        "    if after is None or age >= timedelta(seconds=after):\n",
        VECTORS,
        "vector_05 and sqlite",
    ),
    (
        "a reversal that nobody confirmed is believed",
        "plugins/cascade.py",
        "        return ended.value is True\n",
        "        return ended.raised is None\n",
        VECTORS,
        "vector_07 and sqlite",
    ),
]
