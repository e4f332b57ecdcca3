#include "input.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536

void cli_input_init(struct cli_input *input, int fd)
{
    *input = (struct cli_input){.fd = fd};
}

void cli_input_free(struct cli_input *input)
{
    free(input->data);
    *input = (struct cli_input){.fd = -1};
}

/* Moves what is not given out to the front and makes room for one read. */
static bool make_room(struct cli_input *input)
{
    if (input->taken > 0) {
        input->used -= input->taken;
        input->scanned -= input->taken;
        memmove(input->data, input->data + input->taken, input->used);
        input->taken = 0;
    }
    if (input->size - input->used >= READ_BYTES) {
        return true;
    }
    size_t size = input->size ? input->size * 2 : 2 * READ_BYTES;
    char *data = realloc(input->data, size);
    if (!data) {
        return false;
    }
    input->data = data;
    input->size = size;
    return true;
}

bool cli_input_fill(struct cli_input *input)
{
    if (!make_room(input)) {
        return false;
    }
    ssize_t got = read(input->fd, input->data + input->used, READ_BYTES);
    if (got > 0) {
        input->used += (size_t)got;
    } else if (got == 0) {
        input->at_end = true;
    } else if (errno != EINTR && errno != EAGAIN) {
        input->at_end = true;
        input->error = errno;
    }
    return true;
}

/* Nothing complete is there. A line that grew too long is forgotten as it comes. */
static enum cli_input_result incomplete(struct cli_input *input)
{
    input->scanned = input->used;
    if (input->used - input->taken > CLI_INPUT_LINE_MAX) {
        input->skipping = true;
        input->taken = input->used;
    }
    return CLI_INPUT_WAIT;
}

enum cli_input_result cli_input_next(struct cli_input *input, const char **text, size_t *len)
{
    size_t begin = input->taken, left = input->used - input->scanned;
    const char *end = left > 0 ? memchr(input->data + input->scanned, '\n', left) : NULL;
    if (!end && !input->at_end) {
        return incomplete(input);
    }
    if (!end && begin == input->used && !input->skipping) {
        return CLI_INPUT_END;
    }
    size_t stop = end ? (size_t)(end - input->data) : input->used;
    input->taken = input->scanned = end ? stop + 1 : stop;
    input->line++;
    bool too_long = input->skipping || stop - begin > CLI_INPUT_LINE_MAX;
    input->skipping = false;
    if (too_long) {
        return CLI_INPUT_TOO_LONG;
    }
    *text = stop > begin ? input->data + begin : "";
    *len = stop - begin;
    return CLI_INPUT_LINE;
}
