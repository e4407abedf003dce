"""``penstock rotate-master-key``."""

from rich.progress import Progress

from bootstrap import build
from cli import show
from cli.schema import assert_current
from cli.trouble import Trouble
from penstock.settings import load
from penstock.vault import Unopenable
from storage.rotation import keys_to_wrap, rotate

app = show.command()


@app.command("rotate-master-key")
def rotate_master_key() -> None:
    """Wrap every tenant's data key under the newest master key.

    The newest one is the first of PENSTOCK_MASTER_KEYS, or the root secret's where there are none. Restart every server
    and worker with the new list before. May be run while they serve; if it is cut off, run it again.
    """
    out = show.console()
    with build(load()) as house:
        assert_current(house)
        total = keys_to_wrap(house.database, house.vault)
        newest = house.vault.masters.newest
        try:
            with Progress(console=out, disable=not total) as progress:
                task = progress.add_task("Data keys", total=total)
                for count in rotate(house.database, house.vault):
                    progress.update(task, advance=count)
        except Unopenable as exc:
            raise Trouble(
                f"{exc}. Keep the secret that it was made of in PENSTOCK_MASTER_KEYS until this command has succeeded."
            ) from None
    out.print(f"{total} wrapped anew; every data key is under the master key {newest}.")
