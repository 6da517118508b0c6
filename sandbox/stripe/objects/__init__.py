"""Factories of objects, one function per collection, by family.

Scope: `FACTORIES[collection](maker, id)` gives a new document, or (document, children) where
children are (collection, [documents]) that are stored with it. Shapes are written for this
stand-in; times are Unix seconds, amounts integers.
"""

from . import billing, catalog, checkout, issuing, money, payments, people

FACTORIES = {}
for _family in (people, catalog, billing, payments, money, checkout, issuing):
    FACTORIES.update(_family.FACTORIES)
