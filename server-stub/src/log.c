#include "log.h"
#include "json.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void srv_log_init(struct srv_log *log, enum srv_log_level level, bool json)
{
    *log = (struct srv_log){.level = level, .json = json, .fd = STDERR_FILENO};
}

void srv_log_time(char out[SRV_LOG_TIME_SIZE], uint64_t unix_ms)
{
    const uint64_t last_ms = 253402300799999; /* the end of the year 9999, which is where the format ends */
    if (unix_ms > last_ms)
        unix_ms = last_ms;
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, SRV_LOG_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, SRV_LOG_TIME_SIZE - n, ".%03uZ", (unsigned)(unix_ms % 1000));
}

/* Text for a terminal or a file: what a peer sent must not move the cursor or begin a line of its own. So control
 * characters are escaped, those of U+0080..U+009F and whatever is no UTF-8 included. */
static void add_clean(struct aivo_buf *out, const char *text, bool quoted)
{
    bool utf8 = aivo_utf8_valid(text, strlen(text));
    unsigned char before = 0;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
        bool control = c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0) || (before == 0xc2 && c < 0xa0);
        if (quoted && (c == '"' || c == '\\')) {
            aivo_buf_char(out, '\\');
            aivo_buf_char(out, (char)c);
        } else if (control || (c >= 0x80 && !utf8)) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\x%02x", c);
            aivo_buf_str(out, escape);
        } else {
            aivo_buf_char(out, (char)c);
        }
        before = c;
    }
}

/* The most of text that is no longer than len and does not end inside a UTF-8 sequence. */
static size_t cut(const char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static bool needs_quotes(const char *text)
{
    return text[0] == '\0' || strpbrk(text, " \t\r\n\"=\\") != NULL;
}

static void format_text(struct aivo_buf *out, enum srv_log_level level, const char *time, const char *message,
                        const struct srv_log_field *fields, unsigned count)
{
    aivo_buf_str(out, time);
    aivo_buf_char(out, ' ');
    aivo_buf_str(out, level_names[level]);
    aivo_buf_str(out, ": ");
    add_clean(out, message, false);
    for (unsigned i = 0; i < count; i++) {
        if (fields[i].value == NULL)
            continue;
        bool quoted = needs_quotes(fields[i].value);
        aivo_buf_char(out, ' ');
        aivo_buf_str(out, fields[i].name);
        aivo_buf_str(out, quoted ? "=\"" : "=");
        add_clean(out, fields[i].value, quoted);
        if (quoted)
            aivo_buf_char(out, '"');
    }
}

/* Longer texts are cut before they are written as JSON, so that the object always ends. Six bytes (a \u escape) is
 * the most that one byte becomes. */
static void add_json(struct aivo_buf *out, const char *text, size_t room)
{
    size_t len = strlen(text), most = room / 6;
    if (len > most) {
        struct aivo_buf whole;
        aivo_buf_init(&whole);
        aivo_json_write_string(&whole, text, len);
        bool fits = !whole.failed && whole.len <= room;
        aivo_buf_free(&whole);
        if (!fits)
            len = cut(text, most);
    }
    aivo_json_write_string(out, text, len);
}

static void format_json(struct aivo_buf *out, size_t start, enum srv_log_level level, const char *time,
                        const char *message, const struct srv_log_field *fields, unsigned count)
{
    aivo_buf_str(out, "{\"time\":\"");
    aivo_buf_str(out, time);
    aivo_buf_str(out, "\",\"level\":\"");
    aivo_buf_str(out, level_names[level]);
    aivo_buf_str(out, "\",\"message\":");
    add_json(out, message, SRV_LOG_MAX_LINE / 2);
    for (unsigned i = 0; i < count; i++) {
        size_t used = out->len - start, name_len = strlen(fields[i].name);
        if (fields[i].value == NULL)
            continue;
        if (used + name_len + 64 >= SRV_LOG_MAX_LINE)
            break;
        aivo_buf_str(out, ",");
        aivo_json_write_string(out, fields[i].name, name_len);
        aivo_buf_char(out, ':');
        add_json(out, fields[i].value, SRV_LOG_MAX_LINE - used - name_len - 10);
    }
    aivo_buf_char(out, '}');
}

void srv_log_format(struct aivo_buf *out, bool json, enum srv_log_level level, uint64_t unix_ms, const char *message,
                    const struct srv_log_field *fields, unsigned count)
{
    char time[SRV_LOG_TIME_SIZE];
    srv_log_time(time, unix_ms);
    size_t start = out->len;
    if (count > SRV_LOG_MAX_FIELDS)
        count = SRV_LOG_MAX_FIELDS;
    if (json)
        format_json(out, start, level, time, message, fields, count);
    else
        format_text(out, level, time, message, fields, count);
    if (!out->failed && out->len - start > SRV_LOG_MAX_LINE - 1) {
        out->len = start + cut(out->data + start, SRV_LOG_MAX_LINE - 4);
        aivo_buf_str(out, "...");
    }
    aivo_buf_char(out, '\n');
}

static void emit(const struct srv_log *log, enum srv_log_level level, const char *message,
                 const struct srv_log_field *fields, unsigned count)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    struct aivo_buf line;
    aivo_buf_init(&line);
    srv_log_format(&line, log->json, level, ms, message, fields, count);
    /* Nobody can be told that standard error is gone, so a failed write is final; only a signal is worth a retry. */
    while (!line.failed && write(log->fd, line.data, line.len) < 0 && errno == EINTR)
        ;
    aivo_buf_free(&line);
}

void srv_log(const struct srv_log *log, enum srv_log_level level, const char *format, ...)
{
    if (!srv_log_enabled(log, level))
        return;
    char message[SRV_LOG_MAX_LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    emit(log, level, message, NULL, 0);
}

void srv_log_fields(const struct srv_log *log, enum srv_log_level level, const char *message,
                    const struct srv_log_field *fields, unsigned count)
{
    if (srv_log_enabled(log, level))
        emit(log, level, message, fields, count);
}

bool srv_log_bounded(struct srv_log_bound *bound, unsigned most, uint64_t now_ms, unsigned *left_out)
{
    *left_out = 0;
    if (now_ms >= bound->ends_ms) {
        *left_out = bound->left_out;
        *bound = (struct srv_log_bound){.ends_ms = now_ms + 60000};
    }
    if (bound->written >= most) {
        if (bound->left_out < UINT_MAX)
            bound->left_out++;
        return false;
    }
    bound->written++;
    return true;
}
