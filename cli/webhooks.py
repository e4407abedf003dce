"""``penstock webhooks``."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import httpx
import typer
from rich.markup import escape

from cli import show
from cli.trials import Letter, Trial, trials
from cli.trouble import Trouble
from penstock.clock import SystemClock, monotonic_seconds
from penstock.webhook_signature import PREFIX

TIMEOUT_SECONDS: Final = 10.0
"""As long as a real delivery waits."""

SLOW_SECONDS: Final = 3.0
"""An answer that takes longer than this is worth a word: under load it will be late."""

app = show.command("Try out a receiver of webhooks.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a receiver did in a trial: what it said wrongly, or None, and how long its slowest answer took."""

    trial: Trial
    fault: str | None
    seconds: float


@app.callback()
def webhooks() -> None:
    """Try out a receiver of webhooks."""


@app.command()
def fuzz(
    url: Annotated[str, typer.Argument(help="Where the receiver is.", metavar="URL")],
    *,
    secret: Annotated[str, typer.Option(help="The whsec_… that it knows.", envvar="PENSTOCK_SIGNING_SECRET")],
) -> None:
    """Send a receiver what it will meet one day, and report what it got wrong. Exits 1 if there is something.

    Repeats, events out of order, unknown types and fields, bodies in other bytes, two signatures; forgeries, old
    timestamps, broken headers. All of it is marked isTest. Do not point it at a receiver that ships goods.
    """
    if not secret.startswith(PREFIX):
        raise Trouble(f"a signing secret begins with {PREFIX}")
    if not url.startswith(("http://", "https://")):
        raise Trouble(f"{url} is no address: it begins with http:// or https://")
    found = asyncio.run(_try_all(url, list(trials(secret, SystemClock().now()))))
    out = show.console()
    for each in found:
        mark = "[green]✓[/]" if each.fault is None else "[red]✗[/]"
        out.print(f"{mark} {escape(each.trial.name):<44} {'should be ' + each.trial.wanted:<18} {each.seconds:5.2f} s")
        if each.fault is not None:
            out.print(f"    {escape(each.fault)}: {escape(each.trial.wrong)}")
        elif each.seconds > SLOW_SECONDS:
            out.print("    [yellow]slow: answer first and work afterwards, a delivery waits for ten seconds[/]")
    wrong = sum(each.fault is not None for each in found)
    out.print(f"{wrong} of {len(found)} trials went wrong" if wrong else f"all {len(found)} trials went well")
    if wrong:
        raise typer.Exit(1)


async def _try_all(url: str, chosen: Sequence[Trial]) -> list[Outcome]:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        try:
            return [await _try(client, url, trial) for trial in chosen]
        except (httpx.ConnectError, httpx.InvalidURL) as exc:
            raise Trouble(f"{url} cannot be reached ({type(exc).__name__}). Is the receiver running?") from None


async def _try(client: httpx.AsyncClient, url: str, trial: Trial) -> Outcome:
    if trial.at_once:
        said = await asyncio.gather(*(_post(client, url, letter) for letter in trial.letters))
    else:
        said = [await _post(client, url, letter) for letter in trial.letters]
    faults = [fault for status, _ in said if (fault := _fault(trial, status)) is not None]
    return Outcome(trial, faults[0] if faults else None, max(seconds for _, seconds in said))


async def _post(client: httpx.AsyncClient, url: str, letter: Letter) -> tuple[int | None, float]:
    """Return the status of the answer, None where there was none, and the seconds that it took."""
    began = monotonic_seconds()
    try:
        answer = await client.post(url, content=letter.body, headers=letter.headers)
    except httpx.ConnectError:
        raise
    except httpx.HTTPError:
        return None, monotonic_seconds() - began
    return answer.status_code, monotonic_seconds() - began


def _fault(trial: Trial, status: int | None) -> str | None:
    if status is None:
        return "it did not answer"
    is_taken = httpx.codes.is_success(status)
    is_refused = httpx.codes.is_client_error(status) and status != httpx.codes.GONE
    is_right = is_taken if trial.wanted == "taken" else is_refused
    return None if is_right else f"it answered {status}"
