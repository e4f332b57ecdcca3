/*
 * The .env file: NAME=value lines as dotenv reads them. Pure: text in, entries out.
 *
 *   # comment              whole line, or after an unquoted value and white space
 *   export NAME=value      "export " is skipped
 *   NAME='literal'         no escapes; may span lines
 *   NAME="text\n"          \n \r \t \\ \" \$ are escapes, any other backslash stays; may span lines
 *   NAME=plain text # why  trimmed; ends at white space followed by #
 *
 * Lines end in LF, CRLF or CR; a UTF-8 byte order mark is skipped. Nothing is expanded or executed.
 */
#ifndef SRV_ENV_H
#define SRV_ENV_H

#include "buf.h"
#include <stdbool.h>
#include <stddef.h>

struct srv_env_reader {
    const char *text;
    size_t len, pos;
    size_t line;           /* of the next byte, from 1 */
    size_t max_line;       /* bound on one logical line in bytes */
    struct aivo_buf value; /* of the last entry */
};

struct srv_env_entry {
    const char *name; /* borrowed from the text, not terminated: [A-Za-z_][A-Za-z0-9_]* */
    size_t name_len;
    const char *value; /* NUL-terminated, without a NUL inside; until the next call */
    size_t value_len;
    size_t line; /* where the entry begins */
};

enum srv_env_status {
    SRV_ENV_END,
    SRV_ENV_ENTRY,
    SRV_ENV_E_NAME,     /* a line that is neither empty, a comment nor NAME= */
    SRV_ENV_E_QUOTE,    /* a quote that is never closed */
    SRV_ENV_E_TRAILING, /* something other than a comment after the closing quote */
    SRV_ENV_E_LINE,     /* a logical line over the bound */
    SRV_ENV_E_NUL,      /* a NUL byte */
    SRV_ENV_E_MEMORY,
};
const char *srv_env_strerror(enum srv_env_status status);

void srv_env_reader_init(struct srv_env_reader *r, const char *text, size_t len, size_t max_line);
/* The next entry. After an error entry->line says where; reading on continues at the next line. */
enum srv_env_status srv_env_next(struct srv_env_reader *r, struct srv_env_entry *entry);
void srv_env_reader_free(struct srv_env_reader *r);

#endif
