#!/usr/bin/python3
"""What goes wrong around aivo-monitor is told where its user looks, in words that say what to do. Each test starts it
anew, by AT-SPI, with files as they may be found."""
import ctypes
import os
import pathlib
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


if __name__ == "__main__":
    unittest.main(failfast=False, verbosity=2)
