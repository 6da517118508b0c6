"""Command line of the Stripe stand-in."""

from ..app import arguments, run
from ..limits import Limits
from .app import DEFAULT_KEY, StripeApp


def main():
    parser = arguments("A stand-in for the Stripe API, for demos and tests.")
    parser.add_argument("--key",
                        action="append",
                        help="secret key, one account each; may be repeated")
    parser.add_argument("--load",
                        type=int,
                        default=0,
                        metavar="N",
                        help="begin with a world of N customers")
    options = parser.parse_args()
    app = StripeApp(options.key or [DEFAULT_KEY], options.seed,
                    Limits(options.rate, options.endpoint_rate))
    if options.load:
        app.admin_load({"collection": "world", "count": options.load})
    run(app, options.host, options.port)


main()
