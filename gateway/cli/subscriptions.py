"""registry subscription and delivery: webhooks, and what did not get through to them."""

from gateway.cli.command import Column, Command, List, Show, add_yes, fields, rows

_COLUMNS: tuple[Column, ...] = (
    ("ID", lambda subscription: subscription["id"]),
    ("URL", lambda subscription: subscription["url"]),
    ("Type", lambda subscription: subscription["type"]),
    ("Error", lambda subscription: subscription["error"]),
    ("Created At", lambda subscription: subscription["created_at"]),
)
_DELIVERY_COLUMNS: tuple[Column, ...] = (
    ("Index", lambda delivery: delivery["index"]),
    ("State", lambda delivery: delivery["state"]),
    ("Attempts", lambda delivery: delivery["attempts"]),
    ("Error", lambda delivery: delivery["error"]),
    ("At", lambda delivery: delivery["at"]),
)


class ListSubscriptions(List):
    """List the project's webhooks"""

    def take_action(self, parsed_args):
        return rows(self.gateway.subscriptions(), _COLUMNS)


class _OfSubscription:
    """A command about one of them."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("subscription", metavar="SUBSCRIPTION", help="id")
        return parser


class ShowSubscription(_OfSubscription, Show):
    """Show a webhook"""

    def take_action(self, parsed_args):
        return fields(self.gateway.subscription(parsed_args.subscription))


class CreateSubscription(Show):
    """Have the registry's changes posted to a URL, signed with the secret that is shown this once"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("url", metavar="URL")
        parser.add_argument("--type", metavar="TYPE", help="only those of this service type")
        return parser

    def take_action(self, parsed_args):
        return fields(self.gateway.create_subscription(parsed_args.url, parsed_args.type))


class DeleteSubscriptions(Command):
    """Delete webhooks, with what did not get through to them"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("subscriptions", metavar="SUBSCRIPTION", nargs="+", help="id")
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        self.confirm(f"Delete {', '.join(parsed_args.subscriptions)}?", parsed_args)
        for each in parsed_args.subscriptions:
            self.gateway.delete_subscription(each)
            self.say(f"{each} is deleted.")


class ListDeliveries(_OfSubscription, List):
    """List what did not get through to a webhook yet, or was given up"""

    def take_action(self, parsed_args):
        return rows(self.gateway.deliveries(parsed_args.subscription), _DELIVERY_COLUMNS)


class ResendDeliveries(_OfSubscription, Command):
    """Send again what was given up: all of it, or one"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("index", metavar="INDEX", nargs="?", type=int, help="of one delivery (all)")
        return parser

    def take_action(self, parsed_args):
        if parsed_args.index is None:
            count = self.gateway.resend_deliveries(parsed_args.subscription)
        else:
            self.gateway.resend_delivery(parsed_args.subscription, parsed_args.index)
            count = 1
        self.say(f"{count} to be sent again.")
