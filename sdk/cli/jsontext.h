/*
 * JSON as text: is it valid, where does it go wrong, and what does a received message look like on one line?
 *
 * cJSON accepts more than JSON (control characters in strings, 01, broken UTF-8) and rounds long numbers, so what a
 * user gives is checked here and passed on byte for byte.
 */
#ifndef CLI_JSONTEXT_H
#define CLI_JSONTEXT_H

#include <aivo/client.h>
#include <stdbool.h>
#include <stddef.h>

#define CLI_JSON_MAX_DEPTH 128

struct cli_json_error {
    size_t byte;      /* 1 is the first */
    const char *what; /* static */
};

/* Is the whole text one JSON value (RFC 8259, UTF-8), nested at most CLI_JSON_MAX_DEPTH deep? */
bool cli_json_check(const char *text, size_t len, struct cli_json_error *error);
/* The first byte that is no white space, or 0. Of valid JSON it tells the type. */
char cli_json_first(const char *text, size_t len);
bool cli_utf8_valid(const char *text, size_t len);

/*
 * A message's arguments as one printable line of JSON; owned by the caller, NULL when memory is short. Binary data
 * stands in the place of its placeholder as {"_base64":"..."}. Plain WebSocket messages become an array of one string,
 * or of one {"_base64":"..."}. Control characters and line breaks that a peer put into the text cannot reach the
 * terminal: they are escaped or become spaces.
 */
char *cli_message_args(const struct aivo_message *message, bool plain);
/* The same for JSON text of ours that came without attachments, such as a fate's answer. */
char *cli_json_line(const char *text, size_t len);

/* Does this answer (a JSON array's text) say that something went wrong: is its first argument an object whose "error"
 * is neither null nor false nor ""? */
bool cli_answer_is_error(const char *args);

#endif
