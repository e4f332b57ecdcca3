#include "exporter_http.h"
#include <string.h>
#include <strings.h>

size_t exporter_head_len(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decodes up to len bytes. False: too long, a bad escape, or a control character. */
static bool decode(const char *text, size_t len, char out[EXPORTER_TARGET_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < len ? hex(text[i + 1]) : -1, low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (used + 1 >= EXPORTER_TARGET_MAX || (unsigned char)c < 0x20 || c == 0x7f) {
            return false;
        }
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

static bool find_target(const char *query, size_t len, struct exporter_request *out)
{
    while (len > 0) {
        const char *amp = memchr(query, '&', len);
        size_t piece = amp ? (size_t)(amp - query) : len;
        if (piece >= 7 && memcmp(query, "target=", 7) == 0) {
            out->has_target = true;
            return decode(query + 7, piece - 7, out->target);
        }
        query += piece + (amp != NULL);
        len -= piece + (amp != NULL);
    }
    return true;
}

/* "9.5": seconds with a fraction. */
static int64_t seconds_ms(const char *text, size_t len)
{
    int64_t ms = 0, scale = 0;
    for (size_t i = 0; i < len && ms < 100000000; i++) {
        if (text[i] == '.' && scale == 0) {
            scale = 100;
        } else if (text[i] < '0' || text[i] > '9') {
            return 0;
        } else if (scale == 0) {
            ms = ms * 10 + (text[i] - '0') * (int64_t)1000;
        } else {
            ms += (text[i] - '0') * scale;
            scale = scale > 1 ? scale / 10 : -1;
        }
        if (scale < 0) {
            break; /* finer than a millisecond */
        }
    }
    return ms;
}

static void read_headers(const char *head, size_t len, struct exporter_request *out)
{
    static const char name[] = "x-prometheus-scrape-timeout-seconds:";
    while (len > 0) {
        const char *end = memmem(head, len, "\r\n", 2);
        size_t line = end ? (size_t)(end - head) : len;
        if (line >= sizeof(name) - 1 && strncasecmp(head, name, sizeof(name) - 1) == 0) {
            const char *value = head + sizeof(name) - 1;
            while (value < head + line && *value == ' ') {
                value++;
            }
            out->timeout_ms = seconds_ms(value, (size_t)(head + line - value));
        }
        head += line + (end ? 2 : 0);
        len -= line + (end ? 2 : 0);
    }
}

static bool is_path(const char *path, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(path, name, len) == 0;
}

int exporter_parse(const char *head, size_t len, struct exporter_request *out)
{
    *out = (struct exporter_request){.path = EXPORTER_NOTHING};
    const char *end = memmem(head, len, "\r\n", 2);
    size_t line = end ? (size_t)(end - head) : 0;
    const char *space = line ? memchr(head, ' ', line) : NULL;
    const char *path = space ? space + 1 : NULL;
    const char *version = path ? memchr(path, ' ', line - (size_t)(path - head)) : NULL;
    if (!version || (size_t)(head + line - version) < 7 || memcmp(version, " HTTP/1", 7) != 0 || *path != '/') {
        return 400;
    }
    size_t method = (size_t)(space - head);
    out->head = is_path(head, method, "HEAD");
    if (!out->head && !is_path(head, method, "GET")) {
        return 405;
    }
    size_t whole = (size_t)(version - path);
    const char *query = memchr(path, '?', whole);
    size_t path_len = query ? (size_t)(query - path) : whole;
    out->path = is_path(path, path_len, "/")          ? EXPORTER_ROOT
                : is_path(path, path_len, "/metrics") ? EXPORTER_METRICS
                : is_path(path, path_len, "/probe")   ? EXPORTER_PROBE
                                                      : EXPORTER_NOTHING;
    if (query && out->path == EXPORTER_PROBE && !find_target(query + 1, whole - path_len - 1, out)) {
        return 400;
    }
    read_headers(end + 2, len - line - 2, out);
    return 0;
}
