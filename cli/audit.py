"""``penstock audit``."""

import typer

from bootstrap import build
from cli import show
from cli.schema import assert_current
from penstock.settings import load
from storage.audit import audit as look
from storage.audit_rules import RULES

app = show.command()


@app.command()
def audit() -> None:
    """Look for rows that break a rule: the ledger's zero sums, totals, payments, events. Exits 1 if there is one.

    Reads only, and may run beside the server. Each line names the rule and the id of a row that breaks it.
    """
    with build(load()) as house:
        assert_current(house)
        findings = look(house.database)
    out = show.console()
    for found in findings:
        out.print(f"[red]✗[/] {found.rule}: {found.says}\n    {found.id}  {found.found}")
    if findings:
        raise typer.Exit(1)
    out.print(f"[green]✓[/] {len(RULES)} rules hold, nothing breaks one")
