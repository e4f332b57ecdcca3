#include "text.h"
#include <stdarg.h>
#include <stdio.h>

void cli_put(struct cli_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(text->data + text->used, text->size - text->used, format, args);
    va_end(args);
    if (wrote > 0 && (size_t)wrote < text->size - text->used) {
        text->used += (size_t)wrote;
    } else {
        text->data[text->used] = '\0';
    }
}

size_t cli_columns(const char *text)
{
    size_t columns = 0;
    while (*text) {
        if (text[0] == '\033' && text[1] == '[') {
            for (text += 2; *text && (*text < '@' || *text > '~'); text++) {
            }
            text += *text != '\0';
            continue;
        }
        columns += ((unsigned char)*text & 0xc0) != 0x80;
        text++;
    }
    return columns;
}
