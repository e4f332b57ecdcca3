#include "textfile.h"
#include "jsontext.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool fail(char error[CLI_ERROR_MAX], const char *path, const char *why)
{
    return cli_fail(error, "%.150s: %s", path, why);
}

/* Without the white space at both ends, NUL-terminated. */
static char *trim(char *text, size_t len)
{
    while (len > 0 && strchr(" \t\r\n", text[len - 1])) {
        len--;
    }
    text[len] = '\0';
    return text + strspn(text, " \t\r\n");
}

bool cli_textfile_read(const char *path, size_t max, char **out, char error[CLI_ERROR_MAX])
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return fail(error, path, strerror(errno));
    }
    char *text = malloc(max + 2);
    size_t len = text ? fread(text, 1, max + 1, file) : 0;
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    const char *why = NULL;
    if (!text) {
        why = "out of memory";
    } else if (failed) {
        why = strerror(failed);
    } else if (len > max) {
        why = "too long";
    } else if (!cli_utf8_valid(text, len) || memchr(text, '\0', len)) {
        why = "no text";
    } else {
        char *trimmed = trim(text, len);
        memmove(text, trimmed, strlen(trimmed) + 1);
        why = *text ? NULL : "empty";
    }
    if (why) {
        free(text);
        return fail(error, path, why);
    }
    *out = text;
    return true;
}
