"""What object factories draw from: seeded chance, ids, names, amounts, references.

Scope: randomness and small shared shapes. Nothing here touches stored objects except to pick one
to refer to.
"""

import hashlib

from ..app import LETTERS

FIRST = (
    "Ada Ben Chloé David Elif Farid Grace Hanna Iván Jürgen Kofi Lena Mei Nils Olga Priya Quentin "
    "Rosa Søren Tara Umar Vera Wen Ximena Yuki Zoë 美咲 Łukasz").split()
LAST = (
    "Okafor Bauer Castellanos Dubois Eriksen Fischer García Haddad Ito Jansen Kowalska Lindqvist "
    "Müller Nakamura O'Neill Pereira Quinn Rossi Sato Tremblay Uçar Vasquez Weber Xu Yılmaz Zhang"
).split()
COMPANY = (
    "Northwind Harbor Juniper Quarry Lantern Meridian Saffron Tidewater Copper Alder Beacon Cinder "
    "Drift Ember Fathom Granite").split()
TRADE = ("Supply Foods Textiles Robotics Clinics Press Bikes Optics Studios Freight Coffee "
         "Energy").split()
STREETS = ("Mill Lane", "Market Street", "Rue des Lilas", "Hauptstraße", "Harbour Road",
           "Calle Mayor", "Elm Avenue")
PLACES = (("Portland", "OR", "US", "97205"), ("Austin", "TX", "US", "78701"),
          ("Berlin", None, "DE", "10115"), ("Lyon", None, "FR", "69002"),
          ("Leeds", None, "GB", "LS1 4AP"), ("Toronto", "ON", "CA", "M5V 2T6"), ("大阪市", "大阪府", "JP",
                                                                                 "530-0001"))
BRANDS = (("visa", "4242"), ("mastercard", "4444"), ("amex", "0005"), ("visa", "1881"), ("discover",
                                                                                         "9424"))
WORDS = (
    "annual basic bundle cloud design express field gold hosting insight kit large monthly nano "
    "office plus pro quick remote starter team ultra value").split()
DAY = 86400


class Maker:
    """Draws for one object. `created` is its moment, `parent` the document it belongs to."""
    def __init__(self, account, random):
        self.account = account
        self.random = random
        self.livemode = account.livemode
        self.created = account.clock.seconds()
        self.parent = None

    def id(self, prefix, length=24):
        return prefix + "".join(self.random.choices(LETTERS, k=length))

    def digits(self, length):
        return "".join(self.random.choices("0123456789", k=length))

    def fingerprint(self):
        return self.id("", 16)

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, choices):
        return self.random.choice(choices)

    def number(self, low, high):
        return self.random.randint(low, high)

    def amount(self):
        return self.random.randint(5, 40_000) * 5

    def currency(self):
        return self.random.choices(("usd", "eur", "gbp", "jpy"), (7, 3, 1, 1))[0]

    def ref(self, collection, optional=0.0):
        """The id of a stored object, or an invented one while there is none."""
        if optional and self.chance(optional):
            return None
        order = self.account.table(collection).order
        if order:
            return order[self.random.randrange(len(order))][2]
        spec = self.account.spec(collection)
        return self.id(spec.prefix, spec.length)

    def doc(self, collection):
        """A stored object, or None."""
        order = self.account.table(collection).order
        if not order:
            return None
        return self.account.document(collection, order[self.random.randrange(len(order))][2])

    def person(self):
        return f"{self.pick(FIRST)} {self.pick(LAST)}"

    def company(self):
        return f"{self.pick(COMPANY)} {self.pick(TRADE)}"

    def email(self):
        return f"{self.pick(COMPANY)}.{self.pick(TRADE)}{self.number(1, 99999)}@example.com".lower()

    def phone(self):
        return "+1555" + self.digits(7)

    def words(self, count):
        return " ".join(self.pick(WORDS) for _ in range(count))

    def address(self):
        city, state, country, code = self.pick(PLACES)
        return {
            "city": city, "country": country, "line1":
            f"{self.number(1, 980)} {self.pick(STREETS)}", "line2":
            f"Unit {self.number(1, 60)}" if self.chance(0.2) else None, "postal_code": code,
            "state": state
        }

    def metadata(self, likely=0.6):
        if not self.chance(likely):
            return {}
        found = {"crm_id": f"{self.number(10_000, 99_999)}"}
        if self.chance(0.5):
            found["segment"] = self.pick(("retail", "partner", "enterprise", "self_serve"))
        if self.chance(0.2):
            found["note"] = self.words(self.number(2, 7))
        return found

    def billing_details(self):
        return {
            "address": self.address(), "email": self.email(), "name": self.person(), "phone":
            self.phone() if self.chance(0.3) else None, "tax_id": None
        }

    def card(self):
        brand, last4 = self.pick(BRANDS)
        return {
            "brand": brand, "checks": {
                "address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check":
                self.pick(("pass", "pass", "unchecked"))
            }, "country": "US", "display_brand": brand, "exp_month": self.number(1, 12), "exp_year":
            self.number(2027, 2034), "fingerprint": self.fingerprint(), "funding": "credit",
            "generated_from": None, "last4": last4, "networks":
            {"available": [brand], "preferred": None}, "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True}, "wallet": None
        }

    def empty_list(self, url):
        return {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": url}


def secret_of(id, seed):
    """A client secret that follows from the id."""
    return f"{id}_secret_{hashlib.sha256(f'{seed}:{id}'.encode()).hexdigest()[:25]}"
