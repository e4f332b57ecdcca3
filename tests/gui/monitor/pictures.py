#!/usr/bin/python3
"""Takes aivo-monitor through its pages and photographs each. Its history is a made-up week."""
import math
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import time

import desk
from desk import click, click_away, press, wait, wait_no_window, wait_window, write

OUT, LOOK = sys.argv[1], os.environ.get("AIVO_LOOK", "light")
HOME = pathlib.Path(os.environ["HOME"])
IDENT = "11111111-2222-4333-8444-55555555555%d"


def picture(name, settle=0.8):
    time.sleep(settle)
    path = os.path.join(OUT, f"monitor-{name}{'' if LOOK == 'light' else '-dark'}.png")
    subprocess.run(["import", "-window", "root", "-crop", "1080x860+0+0", "+repage", "-define", "png:exclude-chunks=all",
                    "-define", "png:compression-level=9", path], check=True)


def look():
    if LOOK == "dark":
        os.environ["ADW_DEBUG_COLOR_SCHEME"] = "prefer-dark"


def prepare(port, slow_port):
    folder = HOME / "config/glib-2.0/settings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keyfile").write_text("[io/github/artpromedia/AivoMonitor]\ninterval=1\nchart-span=60\n")
    config = HOME / "config/aivo-monitor/connections.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    names = (("Classroom server", port), ("Tutor backend", slow_port), ("Speech, Frankfurt", 1))
    config.write_text("".join(f"[connection {IDENT % i}]\nname={name}\nurl=http://127.0.0.1:{p}\n"
                              for i, (name, p) in enumerate(names)))


def week():
    """Minutes of a week into the first connection's history, which the application has made."""
    path = HOME / f"data/aivo-monitor/{IDENT % 0}/history.db"
    random.seed(7)
    db = sqlite3.connect(path)
    columns = [row[1] for row in db.execute("PRAGMA table_info(minute)")]
    now = int(time.time() * 1000) // 60000 * 60000
    for i in range(7 * 1440, 3, -1):
        at = now - i * 60000
        hour = (at / 3600000) % 24
        base = 24 + 60 * max(0, math.sin((hour - 7) / 12 * math.pi)) + random.expovariate(1 / 4)
        if 2900 < i < 2960 or 400 < i < 430:
            base += 330 + random.random() * 120
        worst = 4 if base < 100 else 3 if base < 250 else 2 if base < 500 else 1
        values = {"time": at, "samples": 6, "least": base * 0.8, "p50": base, "p95": base * 1.5, "most": base * 2,
                  "lost": int(random.random() < 0.03), "observed": 6, "worst": worst, "events": 0}
        row = {c: values[c] for c in columns if c in values}
        db.execute(f"INSERT OR REPLACE INTO minute ({','.join(row)}) VALUES ({','.join('?' * len(row))})",
                   list(row.values()))
    db.commit()
    db.close()


def main():
    server, port = desk.server(TEST_HANDLER_DELAY_MS=35)
    relay, relay_port = desk.relay(port)
    relay.say("delay 9")
    slow, slow_port = desk.relay(port)
    slow.say("delay 150")
    look()
    app = desk.monitor()
    desk.heard("How Good", 20)
    picture("welcome")
    click("push button", "Add a Server…")
    wait_window("Add a Connection")
    write("Address", "example.org:4003")
    write("Name", "Classroom server")
    picture("add")
    app.stop()
    prepare(relay_port, slow_port)
    app = desk.monitor()
    wait("the history's file", 20, lambda: (HOME / f"data/aivo-monitor/{IDENT % 0}/history.db").exists())
    time.sleep(2)
    app.stop()
    week()
    app = desk.monitor("--new-window")
    wait("all connections", 30, lambda: desk.find("list item", "Tutor backend"))
    time.sleep(14)
    picture("overview")
    click(None, "The last week")
    picture("week")
    for key, name in (("2", "events"), ("3", "queue")):
        press("Alt_L", key)
        picture(name)
    press("Control_L", "Page_Down")
    press("Alt_L", "1")
    picture("slow", 6)
    press("Control_L", "Page_Down")
    picture("offline", 1.5)
    press("Alt_L", "2")
    picture("offline-events")
    press("Alt_L", "3")
    for action in ("start_session", "next_question"):
        click("push button", "Send a Message…")
        wait_window("Send a Message")
        write("Event", "agent:learning")
        write("Arguments, as a JSON array", f'[{{"action":"{action}"}}]')
        click_away("Send", "Send a Message")
    desk.heard("Waiting: 2")
    picture("offline-queue")
    click("push button", "Delete Waiting…")
    desk.heard("Delete 2 Waiting Messages?")
    picture("delete-waiting")
    click_away("Cancel")
    press("Control_L", "Page_Down")
    if desk.find("push button", "Dismiss"):
        click("push button", "Dismiss")
    press("Control_L", "d")
    wait("its last stage", 60, lambda: desk.find(None, text="Rate limit"))
    wait("the end of the diagnosis", 60, lambda: desk.find("push button", "Run Again"))
    picture("diagnosis", 1.5)
    press("Control_L", "comma")
    picture("preferences", 2)
    press("Escape")
    wait_no_window("Preferences")
    press("Control_L", "e")
    wait_window("Edit Connection")
    picture("edit")
    press("Escape")
    wait_no_window("Edit Connection")
    press("Control_L", "m")
    picture("compact", 2)
    app.stop()
    for program in (relay, slow, server):
        program.stop()


main()
