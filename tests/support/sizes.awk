# Functions fit a screen (80 lines), files a sitting (800): names those that do not. For C as clang-format leaves it.
FNR == 1 { if (file && lines > 800) print file ": " lines " lines"; file = FILENAME; start = 0 }
{ lines = FNR }
/^\{/ { start = FNR }
/^\}/ && start {
    if (FNR - start - 1 > 80) print FILENAME ":" start ": a function of " FNR - start - 1 " lines"
    start = 0
}
END { if (lines > 800) print file ": " lines " lines" }
