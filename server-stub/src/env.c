#include "env.h"
#include <string.h>

const char *srv_env_strerror(enum srv_env_status status)
{
    switch (status) {
    case SRV_ENV_END:
        return "end of file";
    case SRV_ENV_ENTRY:
        return "no error";
    case SRV_ENV_E_NAME:
        return "expected NAME=value";
    case SRV_ENV_E_QUOTE:
        return "the quote is never closed";
    case SRV_ENV_E_TRAILING:
        return "unexpected text after the closing quote";
    case SRV_ENV_E_LINE:
        return "the line is too long";
    case SRV_ENV_E_NUL:
        return "a NUL byte";
    case SRV_ENV_E_MEMORY:
        return "out of memory";
    }
    return "unknown error";
}

void srv_env_reader_init(struct srv_env_reader *r, const char *text, size_t len, size_t max_line)
{
    *r = (struct srv_env_reader){.text = text, .len = len, .line = 1, .max_line = max_line};
    aivo_buf_init(&r->value);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        r->pos = 3;
}

void srv_env_reader_free(struct srv_env_reader *r)
{
    aivo_buf_free(&r->value);
}

static bool at_break(const struct srv_env_reader *r)
{
    return r->pos >= r->len || r->text[r->pos] == '\n' || r->text[r->pos] == '\r';
}

/* Consumes one byte and keeps count of the lines; CRLF counts once. */
static void step(struct srv_env_reader *r)
{
    char c = r->text[r->pos++];
    if (c == '\n' || (c == '\r' && (r->pos >= r->len || r->text[r->pos] != '\n')))
        r->line++;
}

static void skip_blanks(struct srv_env_reader *r)
{
    while (r->pos < r->len && (r->text[r->pos] == ' ' || r->text[r->pos] == '\t'))
        r->pos++;
}

/* To the beginning of the next line. */
static void skip_line(struct srv_env_reader *r)
{
    while (!at_break(r))
        r->pos++;
    if (r->pos < r->len) {
        size_t line = r->line;
        while (r->pos < r->len && r->line == line)
            step(r);
    }
}

static bool name_char(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static void read_name(struct srv_env_reader *r, struct srv_env_entry *entry)
{
    entry->name = r->text + r->pos;
    size_t start = r->pos;
    while (r->pos < r->len && name_char(r->text[r->pos], r->pos == start))
        r->pos++;
    entry->name_len = r->pos - start;
}

static void add_escape(struct srv_env_reader *r, char c)
{
    static const char from[] = "nrt\\\"$", to[] = "\n\r\t\\\"$";
    const char *known = memchr(from, c, sizeof from - 1);
    if (known == NULL)
        aivo_buf_char(&r->value, '\\');
    aivo_buf_char(&r->value, known == NULL ? c : to[known - from]);
}

static enum srv_env_status read_quoted(struct srv_env_reader *r, size_t start)
{
    char quote = r->text[r->pos++];
    while (r->pos < r->len && r->text[r->pos] != quote) {
        char c = r->text[r->pos];
        if (r->pos - start >= r->max_line)
            return SRV_ENV_E_LINE;
        if (c == '\0')
            return SRV_ENV_E_NUL;
        step(r);
        if (quote == '"' && c == '\\' && r->pos < r->len && r->text[r->pos] != '\0') {
            c = r->text[r->pos];
            step(r);
            add_escape(r, c);
        } else if (c == '\r') {
            /* A line's end inside quotes is \n whatever the file uses. */
            if (r->pos >= r->len || r->text[r->pos] != '\n')
                aivo_buf_char(&r->value, '\n');
        } else {
            aivo_buf_char(&r->value, c);
        }
    }
    if (r->pos >= r->len)
        return SRV_ENV_E_QUOTE;
    r->pos++;
    skip_blanks(r);
    return at_break(r) || r->text[r->pos] == '#' ? SRV_ENV_ENTRY : SRV_ENV_E_TRAILING;
}

static enum srv_env_status read_plain(struct srv_env_reader *r)
{
    size_t start = r->pos, end = r->pos;
    for (; !at_break(r); r->pos++) {
        char c = r->text[r->pos];
        if (c == '\0')
            return SRV_ENV_E_NUL;
        bool blank = c == ' ' || c == '\t';
        /* '#' begins a comment at the value's start (NAME= # none) and after white space, not inside a word. */
        if (c == '#' && (r->pos == start || end < r->pos))
            break;
        if (!blank)
            end = r->pos + 1;
    }
    aivo_buf_add(&r->value, r->text + start, end - start);
    return SRV_ENV_ENTRY;
}

static enum srv_env_status read_entry(struct srv_env_reader *r, struct srv_env_entry *entry)
{
    size_t start = r->pos;
    read_name(r, entry);
    if (entry->name_len == 6 && memcmp(entry->name, "export", 6) == 0 && r->pos < r->len &&
        (r->text[r->pos] == ' ' || r->text[r->pos] == '\t')) {
        size_t after = r->pos;
        skip_blanks(r);
        if (r->pos < r->len && name_char(r->text[r->pos], true))
            read_name(r, entry);
        else
            r->pos = after; /* "export = x" sets a variable of that name */
    }
    skip_blanks(r);
    if (entry->name_len == 0 || r->pos >= r->len || r->text[r->pos] != '=')
        return r->pos < r->len && r->text[r->pos] == '\0' ? SRV_ENV_E_NUL : SRV_ENV_E_NAME;
    r->pos++;
    skip_blanks(r);
    aivo_buf_clear(&r->value);
    aivo_buf_str(&r->value, ""); /* so that data is a string even if nothing follows */
    enum srv_env_status status;
    if (r->pos < r->len && (r->text[r->pos] == '"' || r->text[r->pos] == '\''))
        status = read_quoted(r, start);
    else
        status = read_plain(r);
    if (status == SRV_ENV_ENTRY && r->value.failed)
        return SRV_ENV_E_MEMORY;
    /* The rest of the line is a comment; it counts towards the bound as well. */
    while (status == SRV_ENV_ENTRY && !at_break(r))
        r->pos++;
    if (r->pos - start > r->max_line)
        return SRV_ENV_E_LINE;
    return status;
}

enum srv_env_status srv_env_next(struct srv_env_reader *r, struct srv_env_entry *entry)
{
    for (;;) {
        size_t start = r->pos;
        *entry = (struct srv_env_entry){.line = r->line};
        skip_blanks(r);
        if (r->pos < r->len && r->text[r->pos] != '#' && !at_break(r))
            break;
        while (!at_break(r))
            r->pos++;
        bool too_long = r->pos - start > r->max_line;
        if (!too_long && r->pos >= r->len)
            return SRV_ENV_END;
        skip_line(r);
        if (too_long)
            return SRV_ENV_E_LINE;
    }
    enum srv_env_status status = read_entry(r, entry);
    skip_line(r);
    entry->value = r->value.data;
    entry->value_len = r->value.len;
    return status;
}
