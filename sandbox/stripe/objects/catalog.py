"""What is sold, at which price, with which discount and tax.

Scope: products, prices, plans, coupons, promotion codes, tax rates, shipping rates.
"""

from ..maker import DAY


def product(m, id):
    return {
        "id": id,
        "object": "product",
        "active": m.chance(0.9),
        "attributes": [],
        "created": m.created,
        "default_price": None,
        "description": m.words(8) if m.chance(0.7) else None,
        "images": [f"https://files.example.com/{m.id('', 12)}.png"] if m.chance(0.5) else [],
        "livemode": m.livemode,
        "marketing_features": [{"name": m.words(2)} for _ in range(m.number(0, 3))],
        "metadata": m.metadata(),
        "name": m.words(3).title(),
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": m.created,
        "url": None,
    }


def price(m, id):
    amount = m.amount()
    recurring = m.chance(0.7)
    return {
        "id": id,
        "object": "price",
        "active": m.chance(0.9),
        "billing_scheme": "per_unit",
        "created": m.created,
        "currency": m.currency(),
        "custom_unit_amount": None,
        "livemode": m.livemode,
        "lookup_key": m.id("lk_", 10) if m.chance(0.2) else None,
        "metadata": m.metadata(0.3),
        "nickname": m.words(2) if m.chance(0.4) else None,
        "product": m.ref("products"),
        "recurring": {
            "interval": m.pick(("month", "year")), "interval_count": 1, "meter": None,
            "trial_period_days": None, "usage_type": "licensed"
        } if recurring else None,
        "tax_behavior": m.pick(("unspecified", "exclusive")),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }


def plan(m, id):
    amount = m.amount()
    return {
        "id": id,
        "object": "plan",
        "active": m.chance(0.9),
        "amount": amount,
        "amount_decimal": str(amount),
        "billing_scheme": "per_unit",
        "created": m.created,
        "currency": m.currency(),
        "interval": m.pick(("month", "year")),
        "interval_count": 1,
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "meter": None,
        "nickname": m.words(2),
        "product": m.ref("products"),
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def coupon(m, id):
    percent = m.chance(0.6)
    return {
        "id": id,
        "object": "coupon",
        "amount_off": None if percent else m.amount(),
        "created": m.created,
        "currency": None if percent else "usd",
        "duration": m.pick(("once", "repeating", "forever")),
        "duration_in_months": m.number(1, 12),
        "livemode": m.livemode,
        "max_redemptions": m.pick((None, 50, 500)),
        "metadata": m.metadata(0.3),
        "name": m.words(2).title(),
        "percent_off": m.number(1, 60) + 0.5 if percent else None,
        "redeem_by": None,
        "times_redeemed": m.number(0, 40),
        "valid": m.chance(0.9),
    }


def promotion_code(m, id):
    return {
        "id": id,
        "object": "promotion_code",
        "active": m.chance(0.8),
        "code": m.id("", 8).upper(),
        "created": m.created,
        "customer": m.ref("customers", 0.8),
        "customer_account": None,
        "expires_at": m.created + 90 * DAY if m.chance(0.4) else None,
        "livemode": m.livemode,
        "max_redemptions": m.pick((None, 1, 100)),
        "metadata": m.metadata(0.3),
        "promotion": {"coupon": m.ref("coupons"), "type": "coupon"},
        "restrictions": {
            "first_time_transaction": m.chance(0.3), "minimum_amount": None,
            "minimum_amount_currency": None
        },
        "times_redeemed": m.number(0, 20),
    }


def tax_rate(m, id):
    country, kind, percent = m.pick(
        (("DE", "vat", 19.0), ("GB", "vat", 20.0), ("US", "sales_tax", 8.25), ("CA", "gst", 5.0)))
    return {
        "id": id,
        "object": "tax_rate",
        "active": m.chance(0.9),
        "country": country,
        "created": m.created,
        "description": f"{kind.upper()} {country}",
        "display_name": kind.replace("_", " ").title(),
        "effective_percentage": percent,
        "flat_amount": None,
        "inclusive": m.chance(0.5),
        "jurisdiction": country,
        "jurisdiction_level": "country",
        "livemode": m.livemode,
        "metadata": m.metadata(0.2),
        "percentage": percent,
        "rate_type": "percentage",
        "state": None,
        "tax_type": kind,
    }


def shipping_rate(m, id):
    return {
        "id": id,
        "object": "shipping_rate",
        "active": m.chance(0.9),
        "created": m.created,
        "delivery_estimate": {
            "maximum": {"unit": "business_day", "value": 7}, "minimum":
            {"unit": "business_day", "value": 3}
        },
        "display_name": m.pick(("Ground", "Express", "Overnight")),
        "fixed_amount": {"amount": m.number(1, 30) * 100, "currency": "usd"},
        "livemode": m.livemode,
        "metadata": m.metadata(0.2),
        "tax_behavior": "unspecified",
        "tax_code": None,
        "type": "fixed_amount",
    }


FACTORIES = {
    "products": product,
    "prices": price,
    "plans": plan,
    "coupons": coupon,
    "promotion_codes": promotion_code,
    "tax_rates": tax_rate,
    "shipping_rates": shipping_rate,
}
