#!/usr/bin/python3
"""Stands in for the desktop's notifications: prints "notify ID SUMMARY|BODY" and "close ID", a line each."""
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

XML = """<node><interface name="org.freedesktop.Notifications">
<method name="Notify"><arg direction="in" type="s"/><arg direction="in" type="u"/><arg direction="in" type="s"/>
<arg direction="in" type="s"/><arg direction="in" type="s"/><arg direction="in" type="as"/>
<arg direction="in" type="a{sv}"/><arg direction="in" type="i"/><arg direction="out" type="u"/></method>
<method name="CloseNotification"><arg direction="in" type="u"/></method>
<method name="GetCapabilities"><arg direction="out" type="as"/></method>
<method name="GetServerInformation"><arg direction="out" type="s"/><arg direction="out" type="s"/>
<arg direction="out" type="s"/><arg direction="out" type="s"/></method>
</interface></node>"""
last = 0


def say(text):
    print(text, flush=True)


def call(bus, sender, path, interface, method, parameters, invocation):
    global last
    if method == "Notify":
        _, replaces, _, summary, body, _, _, _ = parameters.unpack()
        if not replaces:
            last += 1
        ident = replaces or last
        say(f"notify {ident} {summary}|{body}".replace("\n", " "))
        invocation.return_value(GLib.Variant("(u)", (ident,)))
    elif method == "CloseNotification":
        say(f"close {parameters.unpack()[0]}")
        invocation.return_value(None)
    elif method == "GetCapabilities":
        invocation.return_value(GLib.Variant("(as)", (["body", "actions"],)))
    else:
        invocation.return_value(GLib.Variant("(ssss)", ("test", "test", "1", "1.2")))


def acquired(bus, name):
    bus.register_object("/org/freedesktop/Notifications", Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], call)
    say("ready")


Gio.bus_own_name(Gio.BusType.SESSION, "org.freedesktop.Notifications", Gio.BusNameOwnerFlags.NONE, acquired, None,
                 lambda *_: sys.exit(1))
GLib.MainLoop().run()
