"""registry sign and keys: signatures of instances, and what verifies them."""

from gateway.cli.command import List, Show, fields


class Sign(Show):
    """Sign for a service that registers itself: give its --signature this token"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", help="service type")
        parser.add_argument("--host", metavar="ADDRESS", help="only for an instance there")
        parser.add_argument("--port", metavar="PORT", type=int, help="only for one on this port")
        parser.add_argument("--service-version", dest="version", metavar="VERSION", help="only for this one")
        return parser

    def take_action(self, parsed_args):
        about = {name: getattr(parsed_args, name) for name in ("host", "port", "version")}
        given = {name: value for name, value in about.items() if value is not None}
        return fields(self.gateway.sign(parsed_args.type, **given))


class ListKeys(List):
    """List the public keys that verify the gateway's signatures (JWKS); no login is needed"""

    def take_action(self, parsed_args):
        names = ("kid", "kty", "crv", "alg", "x")
        keys = self.gateway.signing_keys()["keys"]
        return [name.upper() for name in names], [[key.get(name) for name in names] for key in keys]
