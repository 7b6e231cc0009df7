"""A relay for the mailer's tests.

    sink.py LOG [--port N] [--tls CERT KEY] [--auth USER PASSWORD] [--delay SECONDS]

Prints its port, then appends "MESSAGE-ID RECIPIENT" to LOG for each mail that it accepts, before it answers. What stands
before the @ of a recipient says how it is treated: "r550-5.1.1" is refused at RCPT with these codes, "d554-5.7.1" at the end of
DATA, "drop" has its connection closed after the mail was accepted and before the answer, "dropmail" before it was accepted, and
"save" is written to LOG.eml as well. Ends with its standard input.
"""
import argparse
import asyncio
import re
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Relay:
    def __init__(self, options):
        self.log = open(options.log, "a", buffering=1)
        self.options = options

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        m = re.match(r"r(\d{3})-(\d\.\d+\.\d+)", address)
        if m:
            return f"{m[1]} {m[2]} refused for the test"
        m = re.match(r"r(\d{3})-(.+)@", address)
        if m:
            return f"{m[1]} {m[2].replace('.', ' ')}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        content = envelope.content
        m = re.match(r"d(\d{3})-(\d\.\d+\.\d+)", to)
        if m:
            return f"{m[1]} {m[2]} refused for the test"
        if to.startswith("dropmail"):
            server.transport.abort()
            return "250 never seen"
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        found = re.search(rb"^Message-ID: (\S+)", content, re.M)
        self.log.write(f"{found[1].decode()} {to}\n")
        if to.startswith("save"):
            with open(self.options.log + ".eml", "wb") as f:
                f.write(content)
        if to.startswith("drop"):
            server.transport.abort()
        return "250 2.0.0 OK"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("log")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--tls", nargs=2)
    p.add_argument("--auth", nargs=2)
    p.add_argument("--delay", type=float, default=0)
    options = p.parse_args()
    relay = Relay(options)
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*options.tls)

    def authenticate(server, session, envelope, mechanism, data):
        good = [x.encode() for x in options.auth] == [data.login, data.password]
        return AuthResult(success=good, handled=good)

    def make():
        if options.auth:
            return SMTP(relay, enable_SMTPUTF8=False, tls_context=context, require_starttls=False,
                        authenticator=authenticate, auth_required=True)
        return SMTP(relay, enable_SMTPUTF8=False, tls_context=context)

    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(make, "127.0.0.1", options.port)
        print(server.sockets[0].getsockname()[1], flush=True)
        done = asyncio.Event()
        loop.add_reader(0, lambda: done.set() if not sys.stdin.buffer.raw.read(1) else None)
        await done.wait()

    asyncio.run(serve())


main()
