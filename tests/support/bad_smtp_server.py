"""An SMTP server that misbehaves by script, to try worker/io/smtp.h against.

A script names for a verb (greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY_START, BODY, RSET,
QUIT) what is done instead of the usual reply: an action, always, or a list of actions, one for each
time the verb is met, None for the usual one. BODY_START comes after 354 and before the mail is read,
BODY after its final dot. Knows nothing of the client.
"""

import base64
import socket
import threading
import time

STALL_S = 20.0
RECEIVE_BYTES = 65536  # fixed, so that a peer that does not read is felt soon
USUAL = {
    "greeting": b"220 bad.example ESMTP\r\n",
    "MAIL": b"250 2.1.0 sender fine\r\n",
    "RCPT": b"250 2.1.5 recipient fine\r\n",
    "DATA": b"354 go ahead\r\n",
    "BODY": b"250 2.0.0 queued\r\n",
    "RSET": b"250 2.0.0 reset\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
    "NOOP": b"250 2.0.0 fine\r\n",
}


class Closed(Exception):
    """The connection is over, by whoever's wish."""


def say(*lines):
    """These lines as the reply, whatever they are."""

    def act(session):
        session.send(b"".join(line.encode("latin-1") + b"\r\n" for line in lines))

    return act


def say_and_close(line):
    def act(session):
        session.send(line.encode("latin-1") + b"\r\n")
        raise Closed

    return act


def close(session):
    raise Closed


def stall(session):
    """Says nothing until the client has gone."""
    session.wait_for_end()
    raise Closed


def garbage(session):
    session.send(b"\x16\x03\x01\x00\xffnot SMTP at all\r\n")


def long_line(code):
    """A reply line of 100 KB."""

    def act(session):
        session.send(code.encode() + b" " + 100 * 1024 * b"x" + b"\r\n")

    return act


def byte_by_byte(*lines):
    def act(session):
        for line in lines:
            for byte in line.encode("latin-1") + b"\r\n":
                session.send(bytes([byte]))
                time.sleep(0.0005)

    return act


def read_then_close(size):
    """BODY_START: reads so many bytes of the mail and closes."""

    def act(session):
        session.send(USUAL["DATA"])
        session.read_bytes(size)
        raise Closed

    return act


def stop_reading(session):
    """BODY_START: lets the mail come and reads none of it."""
    session.send(USUAL["DATA"])
    session.wait_without_reading()
    raise Closed


class Message:
    def __init__(self, mail_from, rcpt_to, raw, is_secure):
        self.is_secure = is_secure  # it came over TLS
        self.mail_from = mail_from
        self.rcpt_to = rcpt_to
        self.raw = raw  # as it came, without the final dot line
        lines = raw.split(b"\r\n")
        self.body = b"\r\n".join(line[1:] if line[:1] == b"." else line for line in lines)


class Session(threading.Thread):
    """One connection, in a thread of its own."""

    def __init__(self, server, connection, number):
        super().__init__(daemon=True)
        self.server = server
        self.connection = connection
        self.number = number
        self.buffer = b""
        self.mail_from = None
        self.rcpt_to = None
        self.is_secure = server.implicit_tls

    def send(self, data):
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Closed from error

    def receive(self):
        try:
            data = self.connection.recv(65536)
        except OSError as error:
            raise Closed from error
        if not data:
            raise Closed
        self.buffer += data

    def read_line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def read_bytes(self, size):
        while len(self.buffer) < size:
            self.receive()

    def wait_for_end(self):
        self.connection.settimeout(STALL_S)
        while True:
            self.receive()

    def wait_without_reading(self):
        self.server.stopped.wait(STALL_S)

    def run(self):
        try:
            if self.server.implicit_tls:
                self.start_tls()
            self.meet("greeting")
            while True:
                self.take_command(self.read_line())
        except (Closed, OSError):
            pass
        finally:
            self.connection.close()

    def start_tls(self):
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.is_secure = True
        self.buffer = b""

    def meet(self, verb, usual=None):
        """Does what the script says, or the usual thing. True when it was the usual thing."""
        action = self.server.next_action(verb)
        if action is None:
            self.send(usual or USUAL[verb])
            return True
        action(self)
        return False

    def take_command(self, line):
        verb = line.split(b" ")[0].split(b":")[0].decode("latin-1").upper()
        self.server.commands.append((self.number, line.decode("latin-1")))
        method = getattr(self, f"do_{verb.lower()}", None)
        if method is None:
            self.send(b"500 5.5.2 what?\r\n")
        else:
            method(line)

    def do_ehlo(self, line):
        extensions = self.server.extensions
        if self.is_secure and self.server.extensions_after_tls is not None:
            extensions = self.server.extensions_after_tls
        lines = ["bad.example", *extensions]
        usual = [f"250-{text}\r\n" for text in lines[:-1]] + [f"250 {lines[-1]}\r\n"]
        self.meet("EHLO", "".join(usual).encode())

    def do_helo(self, line):
        self.send(b"250 bad.example\r\n")

    def do_starttls(self, line):
        if self.meet("STARTTLS", b"220 2.0.0 go\r\n"):
            self.start_tls()

    def do_auth(self, line):
        words = line.decode("latin-1").split(" ")
        mechanism, answers = words[1].upper(), words[2:]
        action = self.server.next_action("AUTH")
        if action is not None:
            action(self)
            return
        while len(answers) < (2 if mechanism == "LOGIN" else 1):
            self.send(b"334 " + (b"VXNlcm5hbWU6" if not answers else b"UGFzc3dvcmQ6") + b"\r\n")
            answers.append(self.read_line().decode("latin-1"))
        decoded = [base64.b64decode(answer) for answer in answers]
        self.server.logins.append((mechanism, *decoded))
        self.send(b"235 2.7.0 welcome\r\n")

    def do_mail(self, line):
        if self.meet("MAIL"):
            self.mail_from = line
            self.rcpt_to = None

    def do_rcpt(self, line):
        if self.mail_from is None:
            self.send(b"503 5.5.1 MAIL first\r\n")
        elif self.meet("RCPT"):
            self.rcpt_to = line

    def do_data(self, line):
        if self.rcpt_to is None and not self.server.takes_data_always:
            self.send(b"503 5.5.1 RCPT first\r\n")
            return
        action = self.server.next_action("DATA")
        if action is not None:
            action(self)
            return
        action = self.server.next_action("BODY_START")
        if action is not None:
            action(self)
        else:
            self.send(USUAL["DATA"])
        self.take_body()

    def take_body(self):
        self.buffer = b"\r\n" + self.buffer
        while b"\r\n.\r\n" not in self.buffer:
            self.receive()
        raw, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
        raw = raw[2:] + b"\r\n" if len(raw) > 2 else b""
        if self.rcpt_to is None:
            self.send(b"554 5.5.1 no valid recipients\r\n")
        else:
            self.server.messages.append(
                Message(self.mail_from, self.rcpt_to, raw, self.is_secure)
            )
            self.meet("BODY")
        self.mail_from = self.rcpt_to = None

    def do_rset(self, line):
        self.mail_from = self.rcpt_to = None
        self.meet("RSET")

    def do_noop(self, line):
        self.send(USUAL["NOOP"])

    def do_quit(self, line):
        self.meet("QUIT")
        raise Closed


class BadSmtpServer:
    """`with BadSmtpServer({"MAIL": say("451 later")}) as server:` listens on server.port.

    What came: .messages, .commands ((connection, line)), .logins, .connections.
    """

    def __init__(self, script=None, extensions=("PIPELINING", "SIZE 0", "8BITMIME"), **options):
        self.script = dict(script or {})
        self.extensions = list(extensions)
        self.extensions_after_tls = options.get("extensions_after_tls")
        self.tls = options.get("tls")
        self.implicit_tls = options.get("implicit_tls", False)
        self.takes_data_always = options.get("takes_data_always", False)
        self.messages = []
        self.commands = []
        self.logins = []
        self.connections = 0
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.sessions = []
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def next_action(self, verb):
        with self.lock:
            action = self.script.get(verb)
            if isinstance(action, list):
                return action.pop(0) if action else None
            return action

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            session = Session(self, connection, self.connections)
            self.sessions.append(session)
            session.start()

    def verbs(self):
        """The verbs that came, in order."""
        return [line.split(" ")[0].split(":")[0].upper() for _, line in list(self.commands)]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *reason):
        self.stopped.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in self.sessions:
            try:
                session.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            session.join(timeout=5)
        self.thread.join(timeout=5)
