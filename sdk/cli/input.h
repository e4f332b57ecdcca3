/* Standard input, line by line, from a descriptor that is polled. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_INPUT_LINE_MAX (16u * 1024 * 1024) /* bytes; a longer line is reported and skipped */

struct cli_input {
    int fd;
    char *data;
    size_t used, size; /* of data */
    size_t taken;      /* of used: already given out */
    size_t scanned;    /* of used: searched for a line's end */
    uint64_t line;     /* number of the latest line given out, from 1 */
    bool at_end;       /* read() said so, or failed */
    int error;         /* errno if it failed */
    bool skipping;     /* inside a line that is too long */
};

enum cli_input_result {
    CLI_INPUT_LINE,     /* a line, without its end */
    CLI_INPUT_TOO_LONG, /* a line was skipped; its number is line */
    CLI_INPUT_WAIT,     /* nothing complete yet: poll, then cli_input_fill() */
    CLI_INPUT_END,
};

void cli_input_init(struct cli_input *input, int fd);
void cli_input_free(struct cli_input *input);
/* Reads once: call when the descriptor is ready. false: out of memory. */
bool cli_input_fill(struct cli_input *input);
/* The next line, borrowed until the next call. The last line needs no end. */
enum cli_input_result cli_input_next(struct cli_input *input, const char **text, size_t *len);

#endif
