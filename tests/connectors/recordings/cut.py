"""Cut recordings of a provider's real answers down to one exchange a file.

    python tests/connectors/recordings/cut.py FOLDER

``FOLDER`` holds EasyPost's cassettes (MIT, github.com/EasyPost/easypost-python at 8fcf5e4, tests/cassettes).
"""

import json
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LICENCE = "MIT, EasyPost, github.com/EasyPost/easypost-python at 8fcf5e4"
SOURCES = {
    "easypost_shipment": "test_shipment_create.yaml",
    "easypost_accounts": "test_shipment_refund.yaml",
    "easypost_error": "test_error.yaml",
}
UNREAD = ("postage_label", "tracker", "customs_info", "buyer_address", "return_address", "forms", "fees")
"""What of an answer nobody here reads."""


def main(folder: str) -> None:
    for name, file in SOURCES.items():
        first = yaml.safe_load((Path(folder) / file).read_text())["interactions"][0]
        answer = json.loads(first["response"]["body"]["string"])
        cut = {
            "licence": LICENCE,
            "source": file,
            "request": {
                "method": first["request"]["method"],
                "uri": first["request"]["uri"],
                "body": json.loads(first["request"]["body"]),
            },
            "answer": {
                "status": first["response"]["status"]["code"],
                "body": {key: value for key, value in answer.items() if key not in UNREAD},
            },
        }
        (HERE / f"{name}.json").write_text(json.dumps(cut, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
