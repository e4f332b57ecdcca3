/*
 * A text of bounded size that is appended to. What does not fit is left out, whole piece by whole piece.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stddef.h>

struct cli_text {
    char *data;
    size_t size, used; /* data[used] is NUL once something was put */
};

void cli_put(struct cli_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Columns of UTF-8 text on a terminal: escape sequences have none, every character has one. */
size_t cli_columns(const char *text);

#endif
