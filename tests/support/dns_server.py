"""A name server on loopback for tests: TXT records from a dictionary, and every way to misbehave.

Knows nothing of Handbell.
"""

import socket
import socketserver
import struct
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

# In place of a name's texts.
SERVFAIL = "servfail"
REFUSED = "refused"
SILENT = "silent"  # no answer at all
RUBBISH = "rubbish"  # bytes that are no message, behind the right id
WRONG_ID = "wrong id"
BAD_LENGTH = "bad length"  # a TXT string that is longer than its record
TRUNCATED = "truncated"  # cut by UDP, whole by TCP
TRUNCATED_SILENT = "truncated silent"  # cut by UDP, and TCP says nothing
TRUNCATED_DRIP = "truncated drip"  # cut by UDP, and TCP sends a byte a second
LOOP = "loop"  # an alias of itself


class DnsServer:
    """`texts`: {name without its final dot: list of texts, or one of the words above}."""

    def __init__(self):
        self.texts = {}
        self.asked = []
        self.is_silent = False
        self.stopping = threading.Event()
        outer = self

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                outer._serve_tcp(self.request)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
        self.tcp.daemon_threads = True
        self.port = self.tcp.server_address[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.udp.settimeout(0.1)
        self.threads = [
            threading.Thread(target=self._serve_udp, daemon=True),
            threading.Thread(target=self.tcp.serve_forever, daemon=True),
        ]
        for thread in self.threads:
            thread.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        self.stopping.set()
        self.tcp.shutdown()
        self.tcp.server_close()
        self.threads[0].join()
        self.udp.close()

    def _serve_udp(self):
        while not self.stopping.is_set():
            try:
                question, peer = self.udp.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self._answer(question, is_tcp=False)
            if answer:
                self.udp.sendto(answer, peer)

    def _serve_tcp(self, connection):
        (size,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
        question = connection.recv(size, socket.MSG_WAITALL)
        answer = self._answer(question, is_tcp=True)
        if answer is None:
            self.stopping.wait(30)
            return
        framed = struct.pack("!H", len(answer)) + answer
        name = str(dns.message.from_wire(question).question[0].name).rstrip(".").lower()
        if self.texts.get(name) != TRUNCATED_DRIP:
            connection.sendall(framed)
            return
        for byte in framed:
            if self.stopping.wait(1):
                return
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return

    def _answer(self, wire, is_tcp):
        """The answer's bytes; None for silence."""
        question = dns.message.from_wire(wire)
        name = str(question.question[0].name).rstrip(".").lower()
        self.asked.append(name)
        texts = self.texts.get(name)
        answer = dns.message.make_response(question)
        if self.is_silent or texts == SILENT or (texts == TRUNCATED_SILENT and is_tcp):
            return None
        if texts == RUBBISH:
            return wire[:2] + b"\x81\x80" + b"\xff" * 40
        if texts == BAD_LENGTH:
            self._add(question, answer, ["x" * 20])
            return answer.to_wire().replace(b"\x14" + b"x" * 20, b"\xc8" + b"x" * 20)
        if texts == WRONG_ID:
            self._add(question, answer, ["v=spf1 +all"])
            answer.id ^= 0xFFFF
        elif texts in (TRUNCATED, TRUNCATED_SILENT, TRUNCATED_DRIP):
            if is_tcp:
                self._add(question, answer, [f"text {number}" for number in range(40)])
            else:
                answer.flags |= dns.flags.TC
        elif texts == LOOP:
            answer.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", name + "."))
        elif texts == SERVFAIL:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif texts == REFUSED:
            answer.set_rcode(dns.rcode.REFUSED)
        elif texts is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._add(question, answer, texts)
        return answer.to_wire(max_size=65535)

    def _add(self, question, answer, texts):
        """Texts as TXT records, in strings of 200 bytes; "alias:NAME" stands for its records."""
        name = question.question[0].name
        for text in texts:
            if text.startswith("alias:"):
                target = text.partition(":")[2] + "."
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
                name = dns.name.from_text(target)
                self._add_texts(answer, name, self.texts[target.rstrip(".")])
            else:
                self._add_texts(answer, name, [text])

    @staticmethod
    def _add_texts(answer, name, texts):
        for text in texts:
            strings = [text[at : at + 200] for at in range(0, len(text), 200)] or [""]
            quoted = " ".join('"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"' for s in strings)
            rrset = answer.find_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.TXT,
                                      create=True)  # fmt: skip
            rrset.update(dns.rrset.from_text(name, 60, "IN", "TXT", quoted))


if __name__ == "__main__":
    server = DnsServer()
    print(server.address, flush=True)
    time.sleep(3600)
