"""The server of support/smtp_ledger.py: one asyncio process, with a control socket.

    python3 -m tests.support.smtp_ledger_server ADDRESS PORT CONTROL_PATH SEED RECEIVE_BYTES

A connection reads commands and mails from its buffer one after the other; where a rule says wait or
hold, it reads on when that is over.
"""

import asyncio
import json
import random
import re
import socket
import struct
import sys
import time

from tests.support.smtp_ledger import REPLY, TERMINATOR, Rule

GREETING = b"220 ledger.example ESMTP\r\n"
EHLO = b"250-ledger.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
NOBODY = b"554 5.5.1 no valid recipients\r\n"
USUAL = {"mail": b"250 2.1.0 ok\r\n", "rcpt": b"250 2.1.5 ok\r\n", "data": b"354 go on\r\n"}
MESSAGE_ID = re.compile(rb"^Message-ID:[ \t]*(?:\r\n[ \t])?<([^>]*)>", re.IGNORECASE | re.MULTILINE)


class Books:
    """What all connections share: the rules, and what became of each Message-ID."""

    def __init__(self, seed):
        self.rules = []
        self.chance = random.Random(seed)
        self.used = {}  # (rule's name, recipient or None) -> how often
        self.mails = {}
        self.connections = set()
        self.connection_count = 0
        self.taken = 0

    def set_rules(self, rows):
        rules = [Rule(**row) for row in rows]
        self.rules = [(rule, re.compile(rule.to), re.compile(rule.client)) for rule in rules]
        self.used = {}

    def find(self, place, connection):
        """The first rule for this place and transaction, counted as used; or None."""
        recipient = connection.recipient or ""
        for rule, to, client in self.rules:
            if rule.at != place or not client.fullmatch(connection.client):
                continue
            if place != "mail" and not to.fullmatch(recipient):
                continue
            if rule.times and self.used.get((rule.name, None), 0) >= rule.times:
                continue
            if rule.each and self.used.get((rule.name, recipient), 0) >= rule.each:
                continue
            if rule.share < 1 and self.chance.random() >= rule.share:
                continue
            for key in ((rule.name, None), (rule.name, recipient)):
                self.used[key] = self.used.get(key, 0) + 1
            return rule
        return None

    def entry(self, head):
        """The book of the mail that begins so; one whose head is not whole yet has none."""
        found = MESSAGE_ID.search(head)
        if found is None:
            return None
        message_id = found[1].decode("ascii", "replace")
        return self.mails.setdefault(message_id, {
            "message_id": message_id, "recipients": [], "copies": 0, "refused": 0, "untaken": 0,
            "unfinished": 0, "unread": [], "clients": [], "to": [], "times": [],
            "size": 0,
        })  # fmt: skip

    def take(self, entry, client, recipient):
        entry["copies"] += 1
        entry["clients"].append(client)
        entry["to"].append(recipient)
        entry["times"].append(time.time())
        self.taken += 1

    def counts(self):
        return {
            "taken": self.taken,
            "mails": sum(1 for entry in self.mails.values() if entry["copies"]),
            "open": len(self.connections),
            "on_wire": sum(len(one.unread) + one.is_in_data for one in self.connections),
            "connections": self.connection_count,
        }

    def report(self):
        """The books, with what is unread now on connections that are still open."""
        rows = {key: {**entry, "unread": list(entry["unread"])} for key, entry in self.mails.items()}
        for connection in self.connections:
            for copy in connection.unread:
                rows[copy.entry["message_id"]]["unread"].append(copy.age_s())
        return list(rows.values())


class Copy:
    """A mail taken, whose reply its client is not known to have read."""

    def __init__(self, entry):
        self.entry = entry
        self.replied_at = None

    def age_s(self):
        return 0.0 if self.replied_at is None else time.monotonic() - self.replied_at


class Connection(asyncio.Protocol):
    def __init__(self, books):
        self.books = books
        self.transport = None
        self.buffer = bytearray()
        self.client = ""
        self.recipient = None
        self.is_in_data = False
        self.has_body = False  # the first of the mail's bytes have come
        self.body_rule = None
        self.scanned = 0  # so much of the mail holds no terminator
        self.stopped_by = None  # the rule that keeps it from reading on
        self.go_on = None  # what is done when it ends
        self.unread = []  # copies
        self.is_over = False

    # ---- asyncio's side.

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.books.connections.add(self)
        self.books.connection_count += 1
        transport.write(GREETING)

    def data_received(self, data):
        self.buffer += data
        self.read_on()

    def connection_lost(self, error):
        self.is_over = True
        self.books.connections.discard(self)
        if self.is_in_data:
            self.note("unfinished")
        for copy in self.unread:
            copy.entry["unread"].append(copy.age_s())
        self.unread = []

    # ---- Rules.

    def obey(self, rule, go_on):
        """Stops here: go_on() follows when the rule lets it."""
        if rule.do == "drop":
            self.drop(rule)
            return
        self.stopped_by, self.go_on = rule, go_on
        if rule.do == "wait":
            delay_s = self.books.chance.uniform(*rule.seconds)
            asyncio.get_running_loop().call_later(delay_s, self.resume)

    def resume(self):
        go_on, self.stopped_by, self.go_on = self.go_on, None, None
        if not self.is_over:
            go_on()
            self.transport.resume_reading()
            self.read_on()

    def drop(self, rule):
        self.is_over = True
        if rule.how == "close":
            self.transport.close()
            return
        linger = struct.pack("ii", 1, 0)  # so that a reset is sent
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self.transport.abort()

    # ---- Commands.

    def read_on(self):
        """Commands and mails, as long as there are whole ones and nothing stops us."""
        is_moving = True
        while is_moving and self.stopped_by is None and not self.is_over:
            is_moving = self.read_mail() if self.is_in_data else self.read_command()

    def read_command(self):
        end = self.buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end]).rstrip(b"\r")
        del self.buffer[: end + 1]
        word = line[:4].upper()
        if word == b"MAIL":
            self.meet("mail")
        elif word == b"RCPT":
            self.recipient = line.partition(b"<")[2].rpartition(b">")[0].decode("utf-8", "replace")
            self.meet("rcpt")
        elif word == b"DATA":
            self.meet("data")
        elif word in (b"EHLO", b"HELO"):
            self.client = line[5:].decode("ascii", "replace")
            self.transport.write(EHLO)
        elif word == b"QUIT":
            self.unread = []  # whoever says goodbye has read all that came before
            self.transport.write(b"221 2.0.0 bye\r\n")
            self.is_over = True
            self.transport.close()
        else:
            self.transport.write(b"250 2.0.0 ok\r\n")
        return True

    def meet(self, place):
        """A command of a transaction: its usual reply, unless a rule says otherwise."""
        if place == "data" and self.recipient is None:
            self.transport.write(NOBODY)
            return
        rule = self.books.find(place, self)
        if rule is None:
            self.answer(place)
        elif rule.do == "say":
            self.transport.write(rule.text.encode() + b"\r\n")
            self.recipient = None
        else:
            self.obey(rule, lambda: self.answer(place))

    def answer(self, place):
        self.transport.write(USUAL[place])
        if place == "data":
            self.is_in_data, self.has_body, self.scanned = True, False, 0
            self.body_rule = self.books.find("body", self)

    # ---- Mails.

    def read_mail(self):
        if not self.buffer:
            return False
        if not self.has_body:
            # It has read our 354, and so whatever we said before.
            self.has_body = True
            self.unread = [copy for copy in self.unread if copy.replied_at is None]
        rule = self.body_rule
        if rule is not None and len(self.buffer) >= rule.bytes:
            self.body_rule = None
            self.transport.pause_reading()
            self.obey(rule, lambda: None)
            return True
        end = self.buffer.find(TERMINATOR, max(0, self.scanned - len(TERMINATOR)))
        self.scanned = len(self.buffer)
        if end < 0:
            return False
        rule = self.books.find("end", self)
        if rule is not None and rule.bytes < len(TERMINATOR):
            self.drop(rule)
            return False
        mail = bytes(self.buffer[:end])
        del self.buffer[: end + len(TERMINATOR)]
        self.books.entry(mail)["size"] = len(mail)
        self.end_mail(self.books.entry(mail), rule or self.books.find("reply", self))
        return True

    def end_mail(self, entry, rule):
        """All its data has come."""
        self.is_in_data = False
        if self.recipient not in entry["recipients"]:
            entry["recipients"].append(self.recipient)
        if rule is None:
            self.reply_to(entry, self.take(entry))
        elif rule.do == "say":
            entry["refused"] += 1
            self.transport.write(rule.text.encode() + b"\r\n")
            self.recipient = None
        else:
            copy = self.take(entry) if rule.accepts else None
            if copy is None:
                entry["untaken"] += 1
            if rule.do == "drop" and rule.at == "reply":
                self.transport.write(REPLY[: rule.bytes])
            self.obey(rule, lambda: self.reply_to(entry, copy))

    def take(self, entry):
        self.books.take(entry, self.client, self.recipient)
        copy = Copy(entry)
        self.unread.append(copy)
        return copy

    def reply_to(self, entry, copy):
        if copy is None:
            entry["untaken"] -= 1
            copy = self.take(entry)
        copy.replied_at = time.monotonic()
        self.transport.write(REPLY)
        self.recipient = None

    def note(self, what):
        """In the book of the mail that is being read, if so much of it has come."""
        entry = self.books.entry(bytes(self.buffer))
        if entry is not None:
            entry[what] += 1

    def held(self):
        """Who waits here, or None."""
        if self.stopped_by is None or self.stopped_by.do != "hold":
            return None
        entry = self.unread[-1].entry if self.unread else {}
        return {"name": self.stopped_by.name, "recipient": self.recipient, "client": self.client,
                "message_id": entry.get("message_id")}  # fmt: skip


def answer_control(books, request):
    verb = request["do"]
    held = [one for one in list(books.connections) if one.held()]
    if verb == "rules":
        books.set_rules(request["rules"])
    elif verb == "held":
        return [one.held() for one in held]
    elif verb == "release":
        for one in held:
            if request["name"] in (None, one.stopped_by.name):
                one.resume()
    elif verb == "counts":
        return books.counts()
    elif verb == "mails":
        return books.report()
    return True


async def serve(address, port, control_path, seed, receive_bytes):
    books = Books(seed)

    async def control(reader, writer):
        line = await reader.readline()
        writer.write(json.dumps(answer_control(books, json.loads(line))).encode() + b"\n")
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    listener = socket.create_server((address, port), backlog=512)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    server = await loop.create_server(lambda: Connection(books), sock=listener)
    await asyncio.start_unix_server(control, control_path, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
