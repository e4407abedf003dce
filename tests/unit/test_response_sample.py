"""In production a sample of our own answers is held against the spec: the first of each operation, then some."""

from handlers import spec
from handlers.checks import ALWAYS, EVERY, ResponseChecks, Watch
from handlers.respond import Answer
from handlers.schema import Compiler


def checks():
    document = spec.load()
    responses = document["paths"]["/embed-config"]["get"]["responses"]
    known = document["components"]["responses"]

    def resolve(declared):
        return known[declared["$ref"].rpartition("/")[2]] if "$ref" in declared else declared

    return ResponseChecks("embed_config.get_embed_config", responses, resolve, Compiler(document["components"]))


def broken():
    return Answer(200, b'{"nonsense":1}', (), content={"nonsense": 1})


def test_a_break_is_counted_while_it_is_new_and_in_a_sample_afterwards():
    seen, own = [], checks()
    watch = Watch("log", seen.append)
    for _ in range(ALWAYS):
        watch.look(own, "embed_config.get_embed_config", broken())
    assert len(seen) == ALWAYS
    for _ in range(EVERY * 10):
        watch.look(own, "embed_config.get_embed_config", broken())
    assert len(seen) == ALWAYS + 10
