"""What a test of aivo-monitor needs: the programs around it, and a screen reader's view of it (AT-SPI)."""
import ctypes
import os
import queue
import signal
import subprocess
import threading
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ["AIVO_BUILD"]
SLOW = float(os.environ.get("AIVO_TEST_SLOW", "1"))  # sanitizers and busy machines


class Program:
    """A child whose lines are collected; it ends with the test."""

    def __init__(self, *command, env=None, stdin=False):
        self.lines = []
        self.queue = queue.Queue()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, env={**os.environ, **(env or {})})
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self.queue.put(line.rstrip("\n"))

    def expect(self, what, seconds=10):
        """The next line that holds `what`."""
        end = time.monotonic() + seconds * SLOW
        while True:
            left = end - time.monotonic()
            try:
                line = self.queue.get(timeout=max(left, 0.001))
            except queue.Empty:
                raise AssertionError(f"no line with {what!r} within {seconds} s; there were {self.lines}") from None
            if what in line:
                return line

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.expect("ok")

    def stop(self, sig=signal.SIGTERM, seconds=15):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(seconds * SLOW)


def server(port=0, **variables):
    program = Program(os.path.join(BUILD, "server-stub/aivo-server"), "--conformance", "--port", str(port),
                      env={k: str(v) for k, v in variables.items()})
    line = program.expect("listening on ")
    return program, line.split("listening on ")[1].strip().rsplit(":", 1)[1]


def relay(port):
    program = Program("/usr/bin/python3", os.path.join(HERE, "relay.py"), f"127.0.0.1:{port}", stdin=True)
    while not program.lines:
        time.sleep(0.02)
    return program, program.lines[0]


def monitor(*args):
    debugger = os.environ.get("AIVO_TEST_DEBUGGER", "").split()  # e.g. "gdb -batch -ex run -ex bt --args"
    return Program(*debugger, os.path.join(BUILD, "gui/app/aivo-monitor"), *args)


# ------------------------------------------------------------------ reading


def children(node):
    for i in range(node.get_child_count()):
        child = node.get_child_at_index(i)
        if child is not None:
            yield child


def walk(node):
    yield node
    for child in children(node):
        yield from walk(child)


def shown(node):
    return node.get_state_set().contains(Atspi.StateType.VISIBLE)


def walk_shown(node):
    """What is on the screen: without the pages of a stack that are behind."""
    yield node
    for child in children(node):
        if shown(child):
            yield from walk_shown(child)


def application():
    desktop = Atspi.get_desktop(0)
    for node in children(desktop):
        if node.get_name() == "aivo-monitor":
            return node
    return None


def find(role, name=None, where=None, text=None):
    """The first that is shown with this role (a name of AT-SPI's) and exactly this name, or with `text` in name or
    description."""
    where = where or application()
    if where is None:
        return None
    for node in walk_shown(where):
        try:
            if (role and node.get_role_name() != role) or (name is not None and node.get_name() != name):
                continue
            if text is None or text in node.get_name() or text in (node.get_description() or ""):
                return node
        except GLib.Error:
            continue  # it has gone meanwhile
    return None


def wait(what, seconds, check):
    """What check gives once it gives something true."""
    end = time.monotonic() + seconds * SLOW
    while True:
        try:
            found = check()
        except GLib.Error:
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s; on the screen, at the end: {spoken()[-25:]}")
        time.sleep(0.1)


def wait_for(role, name=None, seconds=10, text=None, where=None):
    return wait(f"{role} {name or text}", seconds, lambda: find(role, name, where=where, text=text))


def window(title):
    """A window of the application's. GTK 4.8 gives dialogs no role of their own."""
    app = application()
    return app and next((node for node in children(app) if node.get_name() == title), None)


def wait_window(title, seconds=10):
    return wait(f"the window {title}", seconds, lambda: window(title))


def wait_no_window(title, seconds=10):
    wait(f"the window {title} to close", seconds, lambda: not window(title))


def spoken(where=None):
    """Everything that is on the screen, in order, as words."""
    words = []
    where = where or application()
    for node in walk_shown(where) if where else ():
        try:
            for text in (node.get_name(), node.get_description()):
                if text and text not in words and not text.startswith(("Gtk", "Adw", "Aivo")):
                    words.append(text)
        except GLib.Error:
            continue
    return words


def heard(text, seconds=10):
    """Waits until a screen reader would come across this text."""
    wait(f"the words {text!r}", seconds, lambda: any(text in words for words in spoken()))


def sensitive(node):
    return node.get_state_set().contains(Atspi.StateType.SENSITIVE)


# ------------------------------------------------------------------- acting


def click(role, name, seconds=10):
    node = wait_for(role, name, seconds)
    wait(f"{name} to be sensitive", seconds, lambda: sensitive(node))
    for i in range(node.get_n_actions()):
        if node.get_action_name(i) == "click":
            assert node.do_action(i)
            return
    raise AssertionError(f"{role} {name} cannot be clicked")


def click_away(name, title=None):
    """Clicks the button that closes its window, and leaves that alone until it has gone: GTK 4.8.3 itself crashes when
    it is asked for the children of a window that is just closing."""
    click("push button", name)
    time.sleep(1.5)
    if title:
        wait_no_window(title)


def write(name, text, seconds=5):
    """Types into the entry whose row or label is called so."""
    def entry():
        for role in ("text", "password text", "entry"):
            node = find(role, name)
            if node is not None and node.get_editable_text_iface():
                return node
        return None
    node = wait(f"an entry {name}", seconds, entry)
    assert node.set_text_contents(text)


class Xtest:
    """Keys as a keyboard sends them, by way of a library that AT-SPI brings along."""

    def __init__(self):
        self.x11, self.xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self.x11.XOpenDisplay.restype = ctypes.c_void_p
        self.x11.XStringToKeysym.restype = ctypes.c_ulong
        self.x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self.display = ctypes.c_void_p(self.x11.XOpenDisplay(None))

    def press(self, names):
        codes = [self.x11.XKeysymToKeycode(self.display, self.x11.XStringToKeysym(name.encode())) for name in names]
        for code in codes:
            self.xtst.XTestFakeKeyEvent(self.display, code, 1, 0)
        for code in reversed(codes):
            self.xtst.XTestFakeKeyEvent(self.display, code, 0, 0)
        self.x11.XSync(self.display, 0)


xtest = None


def press(*keys):
    """Presses keys together, by their X names: press("Control_L", "n")."""
    global xtest
    xtest = xtest or Xtest()
    xtest.press(keys)
