#include "queuetext.h"
#include "jsontext.h"
#include "report.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define SECOND_MS 1000
#define MINUTE_MS (60 * INT64_C(1000))
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

void cli_span_text(int64_t ms, char out[CLI_SPAN_MAX])
{
    if (ms < MINUTE_MS) {
        snprintf(out, CLI_SPAN_MAX, "%lld s", (long long)(ms < 0 ? 0 : ms / SECOND_MS));
    } else if (ms < HOUR_MS) {
        snprintf(out, CLI_SPAN_MAX, "%lld min", (long long)(ms / MINUTE_MS));
    } else if (ms < 2 * DAY_MS) { /* an hour more or less matters up to there */
        snprintf(out, CLI_SPAN_MAX, "%lld h", (long long)(ms / HOUR_MS));
    } else {
        snprintf(out, CLI_SPAN_MAX, "%lld d", (long long)(ms / DAY_MS));
    }
}

void cli_bytes_text(uint64_t bytes, char out[CLI_SPAN_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(out, CLI_SPAN_MAX, "%.*f %s", unit > 0 && value < 9.95 ? 1 : 0, value, units[unit]);
}

void cli_count_text(uint64_t count, char out[CLI_SPAN_MAX])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *to = out;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
}

/* ---- columns ---- */

/* Decodes the character at text. Returns its bytes, 1 where it is no UTF-8. */
static size_t decode(const unsigned char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80 ? 1 : (text[0] >> 5) == 6 ? 2 : (text[0] >> 4) == 14 ? 3 : (text[0] >> 3) == 30 ? 4 : 0;
    *code = len == 1 ? text[0] : len ? text[0] & (0x7fu >> len) : UINT32_MAX;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* the NUL too */
            *code = UINT32_MAX;
            return 1;
        }
        *code = *code << 6 | (text[i] & 0x3f);
    }
    if (len == 0 || *code < least[len]) {
        *code = UINT32_MAX;
        return 1;
    }
    return len;
}

static size_t width_of(uint32_t code)
{
    int width = code == UINT32_MAX ? 1 : wcwidth((wchar_t)code);
    return width < 0 ? 1 : (size_t)width;
}

static size_t columns_of(const char *text)
{
    size_t columns = 0;
    for (uint32_t code; *text; columns += width_of(code)) {
        text += decode((const unsigned char *)text, &code);
    }
    return columns;
}

void cli_cut(char *text, size_t room, size_t columns, bool unicode)
{
    const char *mark = unicode ? "…" : "~";
    if (columns_of(text) <= columns) {
        return;
    }
    size_t at = 0, used = 0;
    for (;;) {
        uint32_t code;
        size_t len = decode((const unsigned char *)text + at, &code);
        if (used + width_of(code) + 1 > columns || at + len + strlen(mark) + 1 > room) {
            break;
        }
        at += len;
        used += width_of(code);
    }
    if (columns > 0 && at + strlen(mark) + 1 <= room) {
        memcpy(text + at, mark, strlen(mark) + 1);
    } else {
        text[at] = '\0';
    }
}

/* ---- a message ---- */

/* Writes text without anything that could drive a terminal: control characters (C1 too) and what is no UTF-8 become
 * '?'. */
static void put_clean(FILE *out, const char *text)
{
    for (uint32_t code; *text;) {
        size_t len = decode((const unsigned char *)text, &code);
        if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == UINT32_MAX || code == 0x2028 || code == 0x2029 ||
            (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
            putc('?', out);
        } else {
            fwrite(text, 1, len, out);
        }
        text += len;
    }
}

/* text, then spaces up to so many columns. */
static void put_padded(FILE *out, const char *text, size_t columns)
{
    put_clean(out, text);
    for (size_t used = columns_of(text); used < columns; used++) {
        putc(' ', out);
    }
}

/* Ends a stream of open_memstream(): the text, or NULL. */
static char *finish(FILE *out, char **text)
{
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(*text);
        return NULL;
    }
    return *text;
}

#define QUEUE_COLUMNS 12
#define EVENT_COLUMNS 16

char *cli_list_head(const struct cli_list_look *look)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return NULL;
    }
    fprintf(out, "%-36s  %-7s  %6s  %5s  ", "ID", "STATE", "AGE", "TRIES");
    if (look->queue_names) {
        put_padded(out, "QUEUE", QUEUE_COLUMNS);
        fputs("  ", out);
    }
    put_padded(out, "EVENT", EVENT_COLUMNS);
    fputs("  ARGUMENTS, OR ERROR", out);
    text = finish(out, &text);
    if (text && look->columns > 0) {
        cli_cut(text, strlen(text) + 1, look->columns, look->unicode);
    }
    return text;
}

/* Takes out the member that holds the message's own id, which its line begins with: "key":"ID" and its comma. */
static void leave_out_id(char *args, const char *id)
{
    char value[48];
    snprintf(value, sizeof(value), "\":\"%s\"", id);
    char *key = strstr(args, value);
    if (!key || !*id) {
        return;
    }
    char *end = key + strlen(value), *begin = key;
    while (begin > args && begin[-1] != '"') {
        begin--;
    }
    if (begin - 2 < args || begin[-2] != '{') {
        return; /* the library puts it first */
    }
    begin--;
    end += *end == ',';
    memmove(begin, end, strlen(end) + 1);
}

char *cli_list_line(const struct aivo_queued *message, int64_t now_ms, const struct cli_list_look *look)
{
    char *text = NULL, age[CLI_SPAN_MAX];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return NULL;
    }
    cli_span_text(now_ms - message->created_ms, age);
    put_padded(out, message->id.text, 36);
    fprintf(out, "  %-7s  %6s  %5" PRIu32 "  ", aivo_queued_state_name(message->state), age, message->attempts);
    if (look->queue_names) {
        char name[80];
        snprintf(name, sizeof(name), "%s", *message->queue ? message->queue : "(default)");
        if (look->columns > 0) {
            cli_cut(name, sizeof(name), QUEUE_COLUMNS, look->unicode);
        }
        put_padded(out, name, QUEUE_COLUMNS);
        fputs("  ", out);
    }
    put_padded(out, message->event, EVENT_COLUMNS);
    fputs("  ", out);
    if (message->state == AIVO_QUEUED_DEAD && message->last_error) {
        put_clean(out, message->last_error);
    } else {
        char *args = cli_json_line(message->args, strlen(message->args));
        if (args) {
            leave_out_id(args, message->id.text);
        }
        put_clean(out, args ? args : "?");
        free(args);
    }
    text = finish(out, &text);
    if (text && look->columns > 0) {
        cli_cut(text, strlen(text) + 1, look->columns, look->unicode);
    }
    return text;
}

static void put_label(FILE *out, const char *label)
{
    fprintf(out, "%-13s", label);
}

/* "2026-01-31T12:00:00.123Z (3 min ago)" or "(in 3 min)" */
static void put_time(FILE *out, int64_t at_ms, int64_t now_ms)
{
    char time[AIVO_RENDER_TIME_MAX], span[CLI_SPAN_MAX];
    aivo_render_time(at_ms, time);
    bool past = at_ms <= now_ms;
    cli_span_text(past ? now_ms - at_ms : at_ms - now_ms, span);
    fprintf(out, "%s (%s%s%s)", time, past ? "" : "in ", span, past ? " ago" : "");
}

static void put_member(FILE *out, const char *label, const char *text)
{
    if (text) {
        put_label(out, label);
        put_clean(out, text);
        putc('\n', out);
    }
}

static void put_state(FILE *out, const struct aivo_queued *message, int64_t now_ms)
{
    put_label(out, "state");
    fputs(aivo_queued_state_name(message->state), out);
    if (message->state == AIVO_QUEUED_LATER && message->not_before_ms) {
        fputs(", next attempt ", out);
        put_time(out, message->not_before_ms, now_ms);
    } else if (message->state == AIVO_QUEUED_DEAD && message->died_ms) {
        fputs(", died ", out);
        put_time(out, message->died_ms, now_ms);
    }
    putc('\n', out);
}

char *cli_queued_text(const struct aivo_queued *message, int64_t now_ms)
{
    char *text = NULL, bytes[CLI_SPAN_MAX];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return NULL;
    }
    put_member(out, "id", message->id.text);
    put_member(out, "event", message->event);
    put_member(out, "queue", *message->queue ? message->queue : "(default)");
    put_state(out, message, now_ms);
    put_label(out, "created");
    put_time(out, message->created_ms, now_ms);
    putc('\n', out);
    put_label(out, "expires");
    if (message->expires_ms) {
        put_time(out, message->expires_ms, now_ms);
    } else {
        fputs("never", out);
    }
    putc('\n', out);
    put_label(out, "attempts");
    fprintf(out, "%" PRIu32 " failed\n", message->attempts);
    put_member(out, "last error", message->last_error);
    put_label(out, "priority");
    fprintf(out, "%" PRId32 "\n", message->priority);
    put_member(out, "order key", message->order_key);
    put_member(out, "collapse key", message->collapse_key);
    cli_bytes_text(strlen(message->event) + strlen(message->args), bytes);
    put_member(out, "size", bytes);
    char *args = cli_json_line(message->args, strlen(message->args));
    put_label(out, "arguments");
    put_clean(out, args ? args : "?");
    free(args);
    return finish(out, &text);
}

/* ---- JSON ---- */

static void add_time(cJSON *object, const char *key, int64_t unix_ms)
{
    if (unix_ms == 0) {
        cJSON_AddNullToObject(object, key);
        return;
    }
    char time[AIVO_RENDER_TIME_MAX];
    aivo_render_time(unix_ms, time);
    cJSON_AddStringToObject(object, key, time);
}

static void add_text(cJSON *object, const char *key, const char *text)
{
    if (text) {
        cJSON_AddStringToObject(object, key, text);
    } else {
        cJSON_AddNullToObject(object, key);
    }
}

static void add_count(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    cJSON_AddRawToObject(object, key, text);
}

static char *print_and_delete(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    char *line = text ? cli_json_line(text, strlen(text)) : NULL; /* the control characters that cJSON leaves */
    cJSON_free(text);
    cJSON_Delete(object);
    return line;
}

char *cli_queued_json(const struct aivo_queued *message)
{
    char *args = cli_json_line(message->args, strlen(message->args)); /* byte for byte but for line breaks */
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "id", message->id.text);
    cJSON_AddStringToObject(object, "queue", message->queue);
    cJSON_AddStringToObject(object, "state", aivo_queued_state_name(message->state));
    cJSON_AddStringToObject(object, "event", message->event);
    cJSON_AddRawToObject(object, "args", args ? args : "null");
    cJSON_AddNumberToObject(object, "priority", message->priority);
    add_text(object, "order_key", message->order_key);
    add_text(object, "collapse_key", message->collapse_key);
    add_time(object, "created", message->created_ms);
    add_time(object, "expires", message->expires_ms);
    add_count(object, "attempts", message->attempts);
    add_text(object, "last_error", message->last_error);
    add_time(object, "next_attempt", message->not_before_ms);
    add_time(object, "died", message->died_ms);
    free(args);
    return print_and_delete(object);
}

/* ---- figures ---- */

static const char *name_of(const struct cli_queue_figures *queue)
{
    return *queue->name ? queue->name : "(default)";
}

/* Of the column of names: as the longest of them. */
static size_t columns_of_names(const struct cli_file_figures *figures)
{
    size_t most = strlen("(default)");
    for (size_t i = 0; i < figures->queue_count; i++) {
        size_t columns = columns_of(name_of(&figures->queue[i]));
        most = columns > most ? columns : most;
    }
    return most;
}

static void put_figures(FILE *out, const char *name, size_t columns, const struct aivo_queue_stats *stats,
                        int64_t now_ms)
{
    char pending[CLI_SPAN_MAX], later[CLI_SPAN_MAX], behind[CLI_SPAN_MAX], dead[CLI_SPAN_MAX], bytes[CLI_SPAN_MAX];
    char oldest[CLI_SPAN_MAX] = "-";
    cli_count_text(stats->pending, pending);
    cli_count_text(stats->later, later);
    cli_count_text(stats->behind, behind);
    cli_count_text(stats->dead, dead);
    cli_bytes_text(stats->bytes, bytes);
    if (stats->oldest_ms) {
        cli_span_text(now_ms - stats->oldest_ms, oldest);
    }
    put_padded(out, name, columns);
    fprintf(out, "  %10s  %10s  %10s  %10s  %10s  %8s", pending, later, behind, dead, bytes, oldest);
}

char *cli_figures_text(const struct cli_file_figures *figures, int64_t now_ms)
{
    char *text = NULL, bytes[CLI_SPAN_MAX], count[CLI_SPAN_MAX];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return NULL;
    }
    cli_bytes_text(figures->file_bytes, bytes);
    put_clean(out, figures->path);
    fprintf(out, ": %s on disk", bytes);
    if (figures->all.untold > 0) {
        cli_count_text(figures->all.untold, count);
        fprintf(out, "; %s have left, and the program has not been told yet", count);
    }
    size_t columns = columns_of_names(figures);
    putc('\n', out);
    put_padded(out, "QUEUE", columns);
    fprintf(out, "  %10s  %10s  %10s  %10s  %10s  %8s", "WAITING", "LATER", "BEHIND", "DEAD", "SIZE", "OLDEST");
    for (size_t i = 0; i < figures->queue_count; i++) {
        putc('\n', out);
        put_figures(out, name_of(&figures->queue[i]), columns, &figures->queue[i].stats, now_ms);
    }
    if (figures->queue_count != 1) {
        putc('\n', out);
        put_figures(out, "all", columns, &figures->all, now_ms);
    }
    return finish(out, &text);
}

static void add_figures(cJSON *object, const struct aivo_queue_stats *stats)
{
    add_count(object, "pending", stats->pending);
    add_count(object, "later", stats->later);
    add_count(object, "behind", stats->behind);
    add_count(object, "dead", stats->dead);
    add_count(object, "bytes", stats->bytes);
    add_time(object, "oldest", stats->oldest_ms);
}

char *cli_figures_json(const struct cli_file_figures *figures)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", figures->path);
    add_count(object, "file_bytes", figures->file_bytes);
    add_figures(object, &figures->all);
    add_count(object, "untold", figures->all.untold);
    cJSON *queues = cJSON_AddArrayToObject(object, "queues");
    for (size_t i = 0; i < figures->queue_count; i++) {
        cJSON *queue = cJSON_CreateObject();
        cJSON_AddStringToObject(queue, "queue", figures->queue[i].name);
        add_figures(queue, &figures->queue[i].stats);
        cJSON_AddItemToArray(queues, queue);
    }
    return print_and_delete(object);
}

/* ---- sending ---- */

/* What did not arrive, where there is any: ", 2 died, 1 expired". */
static void losses(const struct cli_sending *run, char out[CLI_SENDING_MAX])
{
    const struct {
        uint64_t count;
        const char *name;
    } kinds[] = {
        {run->dead, "died"}, {run->expired, "expired"}, {run->evicted, "evicted"}, {run->replaced, "replaced"}};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].count > 0) {
            char count[CLI_SPAN_MAX];
            cli_count_text(kinds[i].count, count);
            used += (size_t)snprintf(out + used, CLI_SENDING_MAX - used, ", %s %s", count, kinds[i].name);
        }
    }
}

void cli_sending_line(const struct cli_sending *run, size_t columns, char out[CLI_SENDING_MAX])
{
    char delivered[CLI_SPAN_MAX], left[CLI_SPAN_MAX], lost[CLI_SENDING_MAX], rate[96] = "";
    cli_count_text(run->delivered, delivered);
    cli_count_text(run->left, left);
    losses(run, lost);
    if (!run->connected) {
        snprintf(rate, sizeof(rate), ", not connected");
    } else if (run->wait_ms > 0) {
        char wait[CLI_SPAN_MAX];
        cli_span_text(run->wait_ms, wait);
        snprintf(rate, sizeof(rate), ", rate limit: the server asks to wait %s", wait);
    } else if (run->per_s >= 0.05) {
        char still[CLI_SPAN_MAX];
        double seconds = (double)run->left / run->per_s;
        cli_span_text(seconds < 1e12 ? (int64_t)(seconds * 1000) : INT64_MAX, still);
        snprintf(rate, sizeof(rate), ", %.*f/s, %s to go", run->per_s < 9.95 ? 1 : 0, run->per_s, still);
    }
    snprintf(out, CLI_SENDING_MAX, "%s delivered, %s left%.*s%.100s", delivered, left, (int)sizeof(rate), rate, lost);
    cli_cut(out, CLI_SENDING_MAX, columns > 1 ? columns - 1 : 0, false);
}

void cli_sending_summary(const struct cli_sending *run, char out[CLI_SENDING_MAX])
{
    char delivered[CLI_SPAN_MAX], left[CLI_SPAN_MAX], lost[CLI_SENDING_MAX];
    cli_count_text(run->delivered, delivered);
    cli_count_text(run->left, left);
    losses(run, lost);
    double seconds = (double)run->ms / 1000;
    char rate[64] = "";
    if (run->delivered > 1 && run->ms > 0) {
        double per_s = (double)run->delivered / seconds;
        snprintf(rate, sizeof(rate), " (%.*f/s)", per_s < 9.95 ? 1 : 0, per_s);
    }
    snprintf(out, CLI_SENDING_MAX, "%s delivered in %.1f s%s%.150s, %s left", delivered, seconds, rate, lost, left);
}

void cli_sending_json(const struct cli_sending *run, char out[CLI_SENDING_MAX])
{
    snprintf(out, CLI_SENDING_MAX,
             "{\"delivered\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"expired\":%" PRIu64 ",\"evicted\":%" PRIu64
             ",\"replaced\":%" PRIu64 ",\"left\":%" PRIu64 ",\"ms\":%" PRId64 "}",
             run->delivered, run->dead, run->expired, run->evicted, run->replaced, run->left, run->ms);
}
