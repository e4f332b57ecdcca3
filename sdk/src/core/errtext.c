#include "errtext.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

/* UTF-8 bytes that begin no character: before them a text must not be cut. */
static int continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

enum aivo_status aivo_error_join(struct aivo_error *err, enum aivo_status status, int code, ...)
{
    if (!err)
        return status;
    struct aivo_error made = {.status = status, .code = code};
    size_t len = 0;
    va_list pieces;
    va_start(pieces, code);
    for (const char *piece; (piece = va_arg(pieces, const char *)) != NULL;) {
        for (; *piece; piece++) {
            if (len + 1 == sizeof made.message) {
                if (continues(*piece)) { /* drop the character that would be cut */
                    while (len > 0 && continues(made.message[len - 1]))
                        len--;
                    len -= len > 0;
                }
                goto out;
            }
            made.message[len++] = (unsigned char)*piece < 0x20 || *piece == 0x7f ? '?' : *piece;
        }
    }
out:
    va_end(pieces);
    made.message[len] = 0;
    *err = made;
    return status;
}

const char *aivo_decimal(char buf[24], long long value)
{
    char *p = buf + 23;
    unsigned long long rest = value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;
    *p = 0;
    do
        *--p = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--p = '-';
    return p;
}
