"""Pages of a Stripe-like list, as files: items/.json is the first, items/<id>.json what follows <id>."""

import json
import random
import shutil

from bench import PAGE_ROWS, server_user, temporary_directory

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa".split()


def record(number, chance, size):
    """A customer of about `size` bytes of compact JSON."""
    id = f"cus_{number:014d}"
    document = {
        "id": id, "object": "customer", "created": 1700000000 - number, "livemode": False, "delinquent": number % 17 == 0,
        "balance": chance.randrange(-50000, 50000), "currency": "usd", "default_source": None, "discount": None,
        "email": f"{chance.choice(WORDS)}.{number}@example.com", "name": f"{chance.choice(WORDS)} {chance.choice(WORDS)}",
        "phone": f"+1555{chance.randrange(10**7):07d}", "invoice_prefix": f"{chance.randrange(16**8):08X}",
        "next_invoice_sequence": chance.randrange(1, 900), "preferred_locales": ["en", "fr"], "tax_exempt": "none",
        "address": {"city": chance.choice(WORDS), "country": "US", "line1": f"{chance.randrange(9999)} Main St",
                    "line2": None, "postal_code": f"{chance.randrange(99999):05d}", "state": "CA"},
        "invoice_settings": {"custom_fields": None, "default_payment_method": f"pm_{chance.randrange(16**14):014x}",
                             "footer": None, "rendering_options": None},
        "metadata": {"plan": chance.choice(WORDS), "reference": f"{chance.randrange(16**16):016x}"},
        "shipping": None, "test_clock": None, "sources": {"object": "list", "data": [], "has_more": False,
                                                          "total_count": 0, "url": f"/v1/customers/{id}/sources"},
        "description": "",
    }
    length = len(json.dumps(document, separators=(",", ":")))
    document["description"] = " ".join(chance.choices(WORDS, k=max(0, (size - length) // 6)))
    return document


def write_pages(count, size):
    """Returns the directory and how many pages there are. The oldest pages come last, as Stripe's do."""
    directory = temporary_directory("sequin-pages-")
    items = directory / "items"
    items.mkdir(mode=0o755)
    chance = random.Random(1)
    after = ""
    pages = 0
    for start in range(0, count, PAGE_ROWS):
        rows = [record(n, chance, size) for n in range(start, min(count, start + PAGE_ROWS))]
        page = {"object": "list", "url": "/v1/customers", "has_more": start + PAGE_ROWS < count, "data": rows}
        (items / f"{after}.json").write_text(json.dumps(page, separators=(",", ":")))
        after = rows[-1]["id"]
        pages += 1
    shutil.chown(items, server_user())
    return directory, pages
