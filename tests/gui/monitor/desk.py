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
from gi.repository import Atspi, Gio, GLib  # noqa: E402

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
#
# AT-SPI's cache gives all that a screen reader knows of a program in one answer: 20 ms, where asking each of 500 widgets
# takes a second. A widget is in it once its parent was asked for its children.

ROOT = "/org/a11y/atspi/accessible/root"
VISIBLE, SENSITIVE, FOCUSED = (1 << int(state) for state in (
    Atspi.StateType.VISIBLE, Atspi.StateType.SENSITIVE, Atspi.StateType.FOCUSED))
bus = None


def ask(program, path, interface, method, arguments=None, reply=None):
    """A call on AT-SPI's own bus."""
    global bus
    if bus is None:
        session = Gio.bus_get_sync(Gio.BusType.SESSION)
        address = session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", None, None, 0, -1, None)
        flags = Gio.DBusConnectionFlags
        bus = Gio.DBusConnection.new_for_address_sync(
            address.unpack()[0], flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
    return bus.call_sync(program, path, f"org.a11y.atspi.{interface}", method, arguments, reply, 0, 20000, None).unpack()


class Node:
    """A widget as it was told of."""

    def __init__(self, item):
        (self.bus, self.path), _, (_, self.parent), self.index, self.count, self.interfaces, self.name, self.role, \
            self.description, (low, high) = item
        self.states = low | high << 32
        self.children = []

    def role_name(self):
        return Atspi.role_get_name(Atspi.Role(self.role))

    def do(self, action):
        for number in range(len(ask(self.bus, self.path, "Action", "GetActions")[0])):
            which = GLib.Variant("(i)", (number,))
            if ask(self.bus, self.path, "Action", "GetName", which)[0] == action:
                return ask(self.bus, self.path, "Action", "DoAction", which)[0]
        raise AssertionError(f"{self.name} has no action {action}")

    def set_text(self, text):
        return ask(self.bus, self.path, "EditableText", "SetTextContents", GLib.Variant("(s)", (text,)))[0]


def ask_children(program, path):
    children = [child for _, child in ask(program, path, "Accessible", "GetChildren")[0]]
    for child in children:
        ask_children(program, child)
    return children


def tree(program, path):
    """The application's widgets: the root of them; None: again. KeyError: it is another program."""
    items = [Node(item) for item in ask(program, "/org/a11y/atspi/cache", "Cache", "GetItems")[0]]
    known = {node.path: node for node in items}
    for node in items:
        if node.parent in known and node is not known[node.parent]:
            known[node.parent].children.append(node)
    root = {known[path].name: known[path]}["aivo-monitor"]
    return root if settle(root, known) else None


def settle(node, known):
    """Brings the children into order. What was hidden is still in the cache, what nobody has asked for is not yet."""
    if len(node.children) != node.count or len({child.index for child in node.children}) != node.count:
        paths = [child for _, child in ask(node.bus, node.path, "Accessible", "GetChildren")[0]]
        for child in paths:
            if child not in known:
                ask_children(node.bus, child)
                return False  # it is in the next answer
        node.children = [known[child] for child in paths]
    node.children.sort(key=lambda child: child.index)
    return all([settle(child, known) for child in node.children if child.states & VISIBLE])


def application():
    """Its root, with everything below; None: it is not there (yet)."""
    for program, path in ask("org.a11y.atspi.Registry", ROOT, "Accessible", "GetChildren")[0]:
        for _ in range(8):
            try:
                root = tree(program, path)
            except (GLib.Error, KeyError):
                break  # it starts, it ends, or it is another
            if root:
                return root
    return None


def walk(node):
    """What is not hidden, in order."""
    yield node
    for child in node.children:
        if child.states & VISIBLE:
            yield from walk(child)


def nodes():
    root = application()
    return list(walk(root)) if root else []


def find(role, name=None, text=None):
    """The first that is shown with this role (a name of AT-SPI's) and exactly this name, or with `text` in name or
    description."""
    for node in nodes():
        if (not role or node.role_name() == role) and (name is None or node.name == name) and \
                (text is None or text in node.name or text in node.description):
            return node
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


def wait_for(role, name=None, seconds=10, text=None):
    return wait(f"{role} {name or text}", seconds, lambda: find(role, name, text=text))


def windows():
    root = application()
    return {node.path for node in root.children} if root else set()


def window(title):
    """A window of the application's. GTK 4.8 gives dialogs no role of their own."""
    app = application()
    return app and next((node for node in app.children if node.name == title), None)


def wait_window(title, seconds=10):
    return wait(f"the window {title}", seconds, lambda: window(title))


def wait_no_window(title, seconds=10):
    wait(f"the window {title} to close", seconds, lambda: not window(title))


def spoken():
    """Everything that is on the screen, in order, as words."""
    texts = (text for node in nodes() for text in (node.name, node.description))
    return list(dict.fromkeys(text for text in texts if text and not text.startswith(("Gtk", "Adw", "Aivo"))))


def heard(text, seconds=10):
    """Waits until a screen reader would come across this text."""
    wait(f"the words {text!r}", seconds, lambda: any(text in words for words in spoken()))


def focused(role, name):
    return any(node.states & FOCUSED and node.role_name() == role and node.name == name for node in nodes())


def sensitive(node):
    return node and node.states & SENSITIVE


# ------------------------------------------------------------------- acting


def click(role, name, seconds=10):
    def ready():
        node = find(role, name)
        return node if sensitive(node) else None
    assert wait(f"{role} {name}, sensitive", seconds, ready).do("click")


def click_away(name, title=None):
    """Clicks the button that closes its window, and waits until that has gone."""
    before = windows()
    click("push button", name)
    wait(f"the window of {name} to close", 10, lambda: (now := windows()) and not before <= now)
    if title:
        wait_no_window(title)


def write(name, text, seconds=5):
    """Types into the entry whose row or label is called so."""
    def entry():
        return next((node for node in nodes() if node.name == name and
                     node.role_name() in ("text", "password text", "entry") and
                     any(name.endswith("EditableText") for name in node.interfaces)), None)
    assert wait(f"an entry {name}", seconds, entry).set_text(text)


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
