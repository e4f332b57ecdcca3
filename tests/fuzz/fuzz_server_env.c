/* The .env reader on arbitrary bytes, with a bound on lines that the first byte chooses. It must end, stay inside the
 * text, count lines as they are, and give out names and values that keep what env.h promises. */
#include "env.h"
#include "fuzz.h"
#include <string.h>

static size_t lines_of(const char *text, size_t len)
{
    size_t lines = 1;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n'));
    return lines;
}

static void check_entry(const char *text, size_t len, const struct srv_env_entry *e, size_t max_line)
{
    CHECK(e->name >= text && e->name + e->name_len <= text + len && e->name_len > 0);
    for (size_t i = 0; i < e->name_len; i++) {
        char c = e->name[i];
        CHECK((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9'));
    }
    CHECK(e->value != NULL && strlen(e->value) == e->value_len);
    CHECK(e->name_len + e->value_len <= max_line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t max_line = data[0] < 128 ? 4096 : (size_t)data[0] - 127, len = size - 1, last_line = 0, entries = 0;
    const char *text = (const char *)data + 1;
    struct srv_env_reader reader;
    struct srv_env_entry entry;
    enum srv_env_status status;
    srv_env_reader_init(&reader, text, len, max_line);
    while ((status = srv_env_next(&reader, &entry)) != SRV_ENV_END) {
        CHECK(++entries <= len);
        CHECK(entry.line > last_line); /* one entry a line at most, in order */
        last_line = entry.line;
        if (status == SRV_ENV_ENTRY)
            check_entry(text, len, &entry, max_line);
        else
            CHECK(strlen(srv_env_strerror(status)) > 0);
    }
    CHECK(reader.pos == len && reader.line == lines_of(text, len));
    srv_env_reader_free(&reader);
    return 0;
}
