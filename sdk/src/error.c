#include "error_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *aivo_strerror(enum aivo_status status)
{
    switch (status) {
#define AIVO_STATUS_TEXT(name, value, text)                                                                            \
    case name:                                                                                                         \
        return text;
        AIVO_STATUS_LIST(AIVO_STATUS_TEXT)
#undef AIVO_STATUS_TEXT
    }
    return "unknown status";
}

const char *aivo_status_name(enum aivo_status status)
{
    switch (status) {
#define AIVO_STATUS_NAME(name, value, text)                                                                            \
    case name:                                                                                                         \
        return #name;
        AIVO_STATUS_LIST(AIVO_STATUS_NAME)
#undef AIVO_STATUS_NAME
    }
    return "AIVO_E_UNKNOWN";
}

/* Cut text must not end in half a character: the message may be shown or written as JSON. */
static void drop_half_character(char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (!start || (unsigned char)text[start - 1] < 0xc0)
        return;
    unsigned char lead = (unsigned char)text[--start];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (len - start < want)
        text[start] = '\0';
}

enum aivo_status aivo_error_set(struct aivo_error *err, enum aivo_status status, int code, const char *fmt, ...)
{
    if (!err)
        return status;
    char text[sizeof(err->message)] = ""; /* not in place: the arguments may hold the message that was there */
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (wanted < 0)
        snprintf(text, sizeof(text), "%s", aivo_strerror(status));
    else if ((size_t)wanted >= sizeof(text))
        drop_half_character(text, sizeof(text) - 1);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    err->status = status;
    err->code = code;
    memcpy(err->message, text, sizeof(text));
    return status;
}
