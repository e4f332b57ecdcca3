#include "watch_replay.h"

#include "report.h"
#include <aivo/history.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_DAMAGED = 65, EXIT_NO_TRACE = 66 };

struct replay {
    const char *file;
    bool json, csv;
    uint64_t shown;
    enum aivo_level level;
};

#define AT(member) offsetof(struct replay, member)
static const struct cli_flag flags[] = {
    {"replay", CLI_FLAG_TEXT, AT(file), "FILE", "replay what --record FILE has recorded", 0, 0, NULL},
    {"json", CLI_FLAG_BOOL, AT(json), NULL, "one JSON object a sample", 0, 0, NULL},
    {"csv", CLI_FLAG_BOOL, AT(csv), NULL, "comma-separated values, with a line of names first", 0, 0, NULL},
};
#undef AT

static const struct cli_command command = {
    .name = "watch",
    .usage = "--replay FILE [--json|--csv]",
    .summary = "replay a recorded connection",
    .text = "Runs the trace of a recording through the scorer again and shows every sample. Each must come out bit for "
            "bit\n"
            "as it was recorded.\n"
            "\nexit: 0 the last level was Excellent or Good, 1 Fair, Poor or Offline, 65 the trace is damaged or of "
            "another\n"
            "version, 66 there is none\n",
    .flags = flags,
    .flag_count = sizeof(flags) / sizeof(flags[0]),
};

bool cli_wants_replay(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--replay") == 0 || strncmp(argv[i], "--replay=", 9) == 0) {
            return true;
        }
    }
    return false;
}

static void show(void *user, const struct aivo_quality *quality)
{
    struct replay *replay = user;
    struct cli_snapshot snapshot = {.quality = *quality, .state = AIVO_STATE_CONNECTED, .url = replay->file};
    replay->shown++;
    replay->level = quality->level;
    if (replay->json) {
        char *text = cli_snapshot_json(&snapshot);
        if (text) {
            cli_out_line(text);
        }
        free(text);
        return;
    }
    char line[CLI_LINE_MAX];
    if (replay->csv) {
        cli_snapshot_csv(&snapshot, line);
    } else {
        cli_snapshot_text(&snapshot, false, line);
    }
    cli_out_line(line);
}

int cli_replay(int argc, char **argv)
{
    struct replay replay = {.level = AIVO_LEVEL_OFFLINE};
    struct cli_words words;
    int code = cli_command_parse(&command, argc, argv, &replay, NULL, &words);
    if (code < 0 && words.count > 0) {
        code = cli_usage_error(&command, "--replay needs no '%.60s'", words.word[0]);
    }
    if (code < 0 && replay.json && replay.csv) {
        code = cli_usage_error(&command, "--json and --csv exclude one another");
    }
    if (code >= 0) {
        return code;
    }
    if (replay.csv) {
        cli_out_line(cli_snapshot_csv_names);
    }
    struct aivo_error error;
    enum aivo_status status = aivo_replay(replay.file, show, &replay, &error);
    if (status != AIVO_OK) {
        cli_say(CLI_LOG_ERROR, "%s", error.message);
        return status == AIVO_E_CORRUPT ? EXIT_DAMAGED : status == AIVO_E_MEMORY ? CLI_EXIT_SOFTWARE : EXIT_NO_TRACE;
    }
    cli_say(CLI_LOG_INFO, "%llu samples, each as it was recorded", (unsigned long long)replay.shown);
    return replay.level >= AIVO_LEVEL_GOOD ? CLI_EXIT_OK : CLI_EXIT_PROBLEM;
}
