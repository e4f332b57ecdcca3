#!/usr/bin/env python3
"""The recorded binary interface: compares what is installed with it, or records it anew.

  tests/install/abi.py PREFIX            1: it differs, and how. 77: there is no abidw (Debian: abigail-tools)
  tests/install/abi.py PREFIX --record   the record becomes what is installed

A library has two files in tests/install/abi: NAME.so.0.symbols, every exported symbol with the version that brought it
(packaging/deb makes Debian's symbols file of it), and NAME.so.0.types, every struct and enum of its headers with sizes
(bits, of a 64 bit machine), offsets and values, and every prototype.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "abi")
LIBRARIES = {"libaivo": ("aivo", "aivo"), "libaivo-gtk": ("aivo-gtk", "aivo-gtk")}  # its headers' folder, its .pc


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def symbols(library):
    found = set()
    for line in run("readelf", "--dyn-syms", "--wide", library).splitlines():
        words = line.split()
        if len(words) >= 8 and words[6] != "UND" and "@@" in words[7]:
            found.add(words[7].replace("@@", "@"))
        elif len(words) >= 8 and words[6] == "ABS":
            found.add(f"{words[7].split('@')[0]}@{words[7].split('@')[0]}")
    return sorted(found)


def type_name(types, ident):
    node = types.get(ident)
    if node is None:
        return "?"
    if node.tag == "pointer-type-def":
        return type_name(types, node.get("type-id")) + "*"
    if node.tag == "qualified-type-def":
        return ("const " if node.get("const") else "") + type_name(types, node.get("type-id"))
    if node.tag == "array-type-def":
        return type_name(types, node.get("type-id")) + "".join(f"[{s.get('length')}]" for s in node.findall("subrange"))
    if node.tag == "function-type":
        return "function"
    return node.get("name") or "?"


def members(types, node, depth):
    for member in node.findall("data-member"):
        variable = member.find("var-decl")
        offset = member.get("layout-offset-in-bits", "0")
        inner = types.get(variable.get("type-id"))
        name = variable.get("name")
        if inner is not None and inner.get("is-anonymous"):
            yield f"{'  ' * depth}{offset} {name or '(unnamed)'}:"
            yield from members(types, inner, depth + 1)
        else:
            yield f"{'  ' * depth}{offset} {name}: {type_name(types, variable.get('type-id'))}"


def layouts(compiled, folder):
    tree = ET.fromstring(run("abidw", "--load-all-types", compiled))
    types = {node.get("id"): node for node in tree.iter() if node.get("id")}
    # A type without a tag has the name of its typedef.
    named = {n.get("type-id"): n.get("name") for n in tree.iter("typedef-decl")}
    lines = {}
    for node in tree.iter():
        if node.tag not in ("class-decl", "union-decl", "enum-decl") or node.get("is-declaration-only"):
            continue
        if os.path.basename(os.path.dirname(node.get("filepath", ""))) != folder:
            continue
        name = node.get("name") or ""
        if node.get("is-anonymous") and node.get("id") not in named or "__anonymous" in name:
            continue
        if node.tag == "enum-decl":
            lines[f"enum {name}"] = [f"  {e.get('name')} = {e.get('value')}" for e in node.findall("enumerator")]
        else:
            lines[f"struct {name}: {node.get('size-in-bits')}"] = list(members(types, node, 1))
    return [line for key in sorted(lines) for line in [key, *lines[key]]]


def prototypes(headers, flags, folder):
    """Of the preprocessed headers: what stands in our own files, ends with a semicolon and has an argument list."""
    text, ours = [], False
    for line in run("cc", "-E", *flags, headers).splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            ours = os.path.basename(os.path.dirname(marker[1])) == folder
        elif ours and not line.startswith("#"):
            text.append(line)
    text = re.sub(r"__attribute__ *\(\((?:[^()]|\([^()]*\))*\)\)", " ", " ".join(text))
    previous = None
    while previous != text:  # bodies, from the inside out
        previous, text = text, re.sub(r"\{[^{}]*\}", ";", text)
    statements = (re.sub(r"\s+", " ", s).strip() for s in text.split(";"))
    found = {s for s in statements if re.search(r"\baivo_\w+ ?\(", s) and not re.match(r"static|typedef", s)}
    found = {re.sub(r"^extern ", "", s) for s in found}
    return sorted(found, key=lambda s: re.search(r"\b(aivo_\w+) ?\(", s)[1])


def describe(prefix, pkgconfig, folder, package):
    include = os.path.join(prefix, "include")
    environment = dict(os.environ, PKG_CONFIG_PATH=pkgconfig)
    flags = subprocess.run(["pkg-config", "--cflags", package], check=True, stdout=subprocess.PIPE, text=True,
                           env=environment).stdout.split()
    with tempfile.TemporaryDirectory() as work:
        source = os.path.join(work, "headers.c")
        with open(source, "w", encoding="utf-8") as file:
            for header in sorted(os.listdir(os.path.join(include, folder))):
                file.write(f"#include <{folder}/{header}>\n")
            file.write("int aivo_headers;\n")
        run("cc", "-g", "-shared", "-fPIC", "-fno-eliminate-unused-debug-types", *flags, source, "-o", work + "/headers.so")
        return layouts(work + "/headers.so", folder) + prototypes(source, flags, folder)


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def compare(path, old, new):
    if old == new:
        return True
    print("".join(line + "\n" for line in difflib.unified_diff(old, new, os.path.basename(path), "installed", "", "", 1, "")))
    return False


def main():
    if len(sys.argv) not in (2, 3) or (len(sys.argv) == 3 and sys.argv[2] != "--record"):
        sys.exit(__doc__)
    if not shutil.which("abidw"):
        print("abi.py: there is no abidw (Debian: apt install abigail-tools)")
        sys.exit(77)
    prefix, record, same = os.path.abspath(sys.argv[1]), len(sys.argv) == 3, True
    for name, (folder, package) in LIBRARIES.items():
        found = [os.path.join(d, f) for d, _, files in os.walk(prefix) for f in files if f.startswith(name + ".so.0.")]
        if not found:
            continue
        version = found[0].rpartition(".so.")[2]
        known = dict(line.split(" ") for line in read(f"{HERE}/{name}.so.0.symbols"))
        exported = symbols(found[0])
        types = describe(prefix, os.path.join(os.path.dirname(found[0]), "pkgconfig"), folder, package)
        if record:
            write(f"{HERE}/{name}.so.0.symbols", [f"{s} {known.get(s, version)}" for s in exported])
            write(f"{HERE}/{name}.so.0.types", types)
        else:
            same &= compare(f"{name}.so.0.symbols", list(known), exported)
            same &= compare(f"{name}.so.0.types", read(f"{HERE}/{name}.so.0.types"), types)
    sys.exit(0 if same else 1)


main()
