#!/usr/bin/python3
"""What goes wrong around aivo-monitor is told where its user looks, in words that say what to do. Each test starts it
anew, by AT-SPI, with files as they may be found."""
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import desk
from desk import click_away, heard, press, spoken, wait, wait_window, write

HOME = pathlib.Path(os.environ["HOME"])
CONFIG = HOME / "config/aivo-monitor/connections.conf"
IDENT = "11111111-2222-4333-8444-55555555555%d"
# Signed with a secret that no server here has.
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.c2lnbmVkLWJ5LXNvbWVib2R5LWVsc2Utb25jZQ"


def strict_server():
    """As in production: with a secret of its own."""
    server = desk.Program(os.path.join(desk.BUILD, "server-stub/aivo-server"), "--port", "0",
                          env={"NEXTAUTH_SECRET": "a secret of this server alone, 32 bytes or more"})
    return server, server.expect("listening on ").split("listening on ")[1].strip().rsplit(":", 1)[1]


def connections(*many):
    """The file, of (name, port, further lines)."""
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    CONFIG.write_text("".join(f"[connection {IDENT % i}]\nname={name}\nurl=http://127.0.0.1:{port}\n{more}\n"
                              for i, (name, port, more) in enumerate(many)))


def window_size():
    """Of the one window on the display, by the display itself."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XDefaultRootWindow.argtypes = x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    x11.XQueryTree.argtypes = [ctypes.c_void_p, ctypes.c_ulong] + [ctypes.c_void_p] * 4
    x11.XGetGeometry.argtypes = [ctypes.c_void_p, ctypes.c_ulong] + [ctypes.c_void_p] * 7
    display = x11.XOpenDisplay(None)
    some, count, windows = ctypes.c_ulong(), ctypes.c_uint(), ctypes.POINTER(ctypes.c_ulong)()
    x11.XQueryTree(display, x11.XDefaultRootWindow(display), ctypes.byref(some), ctypes.byref(some),
                   ctypes.byref(windows), ctypes.byref(count))
    sizes = []
    for i in range(count.value):
        root, number, size = ctypes.c_ulong(), ctypes.c_int(), [ctypes.c_uint() for _ in range(4)]
        x11.XGetGeometry(display, windows[i], ctypes.byref(root), ctypes.byref(number), ctypes.byref(number),
                         *map(ctypes.byref, size))
        sizes.append((size[0].value, size[1].value))
    x11.XCloseDisplay(display)
    return max(sizes)


class Mishaps(unittest.TestCase):
    def start(self, *args):
        self.app = desk.monitor(*args)
        self.addCleanup(self.app.stop)

    def end(self):
        self.assertEqual(self.app.stop(), 0)
        self.assertEqual([], [line for line in self.app.lines if "CRITICAL" in line or "WARNING" in line])

    def test_1_a_refused_token_is_told_as_the_server_told_it(self):
        server, port = strict_server()
        self.addCleanup(server.stop)
        connections(("Strict", port, "auth=token"))
        self.start()
        heard("refused the credentials: ", 20)
        press("Control_L", "e")
        wait_window("Edit Connection")
        write("Token", TOKEN)
        click_away("Save", "Edit Connection")
        heard("refused the credentials: Invalid authentication token", 20)
        self.assertFalse(any("no credentials were given" in words for words in spoken()))
        self.end()

    def test_2_the_small_window_begins_with_what_needs_somebody(self):
        server, port = desk.server()
        self.addCleanup(server.stop)
        connections(("One", port, ""), ("Two", port, ""), ("Gone", 1, ""), ("Three", port, ""))
        self.start("--compact")
        heard("Three: Excellent", 20)
        heard("Gone: ", 10)
        wait("room for more than a card", 10, lambda: window_size()[1] >= 330)
        words = [line.split(":")[0] for line in spoken() if ": " in line]
        self.assertEqual([name for name in words if name in ("One", "Two", "Gone", "Three")],
                         ["Gone", "One", "Two", "Three"])
        self.end()

    def test_3_what_cannot_be_kept_is_said_before_ones_eyes(self):
        server, port = desk.server()
        self.addCleanup(server.stop)
        connections(("One", port, ""), ("Two", port, ""))
        CONFIG.write_text(CONFIG.read_text() + "[connection nonsense]\nurl=x\n")
        data = HOME / "data/aivo-monitor"
        shutil.rmtree(data, ignore_errors=True)
        data.write_text("where the folder should be")
        self.addCleanup(data.unlink)
        self.start()
        heard("One: Excellent", 20)
        heard("No history is kept: ")
        bar = next(words for words in spoken() if "Left out: " in words and "No history" in words).split("\n")
        self.assertEqual(len(bar), len(set(bar)))  # every one of them, and each once
        for words in ("Left out: ", "The file as it was is kept as ", "There is no offline queue: "):
            self.assertEqual(len([line for line in bar if line.startswith(words)]), 1, bar)
        self.assertIn("No history is kept", spoken())  # the event's title
        self.assertEqual(len(list(CONFIG.parent.glob("connections.conf.damaged-*"))), 1)
        self.end()
        self.start()
        heard("One: Excellent", 20)
        self.assertFalse(any("Left out" in words for words in spoken()))
        self.assertEqual(len(list(CONFIG.parent.glob("connections.conf.damaged-*"))), 1)
        self.end()

    def test_4_a_large_message_is_whole(self):
        server, port = desk.server()
        self.addCleanup(server.stop)
        connections(("One", port, ""))
        self.start()
        heard("One: Excellent", 20)
        press("Alt_L", "3")
        desk.click("push button", "Send a Message…")
        write("Event", "agent:learning")
        write("Arguments, as a JSON array", json.dumps([{"action": "x" * 100000}]))
        wait("the button", 10, lambda: desk.sensitive(desk.find("push button", "Send")))
        write("Arguments, as a JSON array", "[")
        heard("This is no JSON: it ends too early")
        press("Escape")
        self.end()

    def test_5_what_is_wrong_with_the_options(self):
        def run(*args, display=True):
            env = {name: value for name, value in os.environ.items() if display or name != "DISPLAY"}
            done = subprocess.run([os.path.join(desk.BUILD, "gui/app/aivo-monitor"), *args], env=env, text=True,
                                  capture_output=True, timeout=20)
            return done.returncode, done.stderr.strip()

        for args, words in ((("--nonsense",), "--nonsense"), (("--url",), "--url"), (("word",), "goes after --url"),
                            (("--url", "http://x", "--diagnose"), "--diagnose must come first"),
                            (("--url", "x:1"), "Must begin with http://")):
            status, said = run(*args)
            self.assertEqual((status, said.split(":")[0]), (64, "aivo-monitor"), said)
            self.assertIn(words, said)
        status, said = run(display=False)
        self.assertEqual(status, 1)
        self.assertIn("--diagnose", said)
        self.assertEqual(len(said.splitlines()), 1)


if __name__ == "__main__":
    unittest.main(failfast=False, verbosity=2)
