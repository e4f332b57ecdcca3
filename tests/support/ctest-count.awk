# Reads CTest's LastTest.log. Prints "PASSED FAILED SKIPPED", counting the tests inside each cmocka program, and on
# standard error a line for each failure and skip. A program that says nothing of tests counts as one by its result.
# A test that skips itself prints "SKIP: reason" first.
function note(text) { print text > "/dev/stderr" }
/^[0-9]+\/[0-9]+ Test: / { name = $3; ok = bad = skips = 0; reason = "" }
/^SKIP: / { reason = substr($0, 7) }
/^\[ +OK \] / { ok++ }
/^\[  SKIPPED \] [^0-9]/ && !(($4, name, "s") in seen) { seen[$4, name, "s"] = 1; skips++; note(name " " $4 " # SKIP " reason) }
/^\[  FAILED  \] [^0-9]/ && !(($4, name) in seen) { seen[$4, name] = 1; bad++; note("FAILED " name " " $4) }
/^Test Passed\./ { passed += ok; skipped += skips; failed += bad; if (ok + skips + bad == 0) passed++ }
/^Test Skipped\./ { skipped++; note(name " # SKIP " reason) }
/^Test Failed\.|^Test Timeout|^\*\*\*Exception|^Unable to find executable/ {
    if (bad == 0) { bad = 1; note("FAILED " name ": crashed, timed out or said nothing") }
    passed += ok; skipped += skips; failed += bad
}
END { print passed + 0, failed + 0, skipped + 0 }
