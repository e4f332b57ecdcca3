/* WebSocket frames from a server: the first byte says how the rest is cut into pieces; the cut must not matter. What
 * is taken is within the limit, and valid. */
#include "fuzz.h"
#include "json.h"
#include "prng.h"
#include "wsframe.h"

#define LIMIT 1000

static void read_all(const char *data, size_t len, size_t step, struct aivo_buf *log)
{
    struct aivo_ws_reader reader = {.max_message = LIMIT};
    struct aivo_ws_event event;
    for (size_t from = 0; from < len; from += step) {
        size_t n = len - from < step ? len - from : step;
        char *piece = exact_copy(data + from, n);
        for (size_t pos = 0; pos < n;) {
            size_t used = aivo_ws_read(&reader, piece + pos, n - pos, &event);
            CHECK(used <= n - pos);
            pos += used;
            if (event.found == AIVO_WS_FOUND_NOTHING) {
                CHECK(pos == n);
                break;
            }
            if (event.found == AIVO_WS_FOUND_ERROR) {
                CHECK(event.error && event.code >= 1002);
                aivo_buf_str(log, event.error);
                pos = n;
                continue;
            }
            CHECK(event.len <= LIMIT);
            if (event.found == AIVO_WS_FOUND_MESSAGE && !event.binary)
                CHECK(aivo_utf8_valid(event.data, event.len));
            aivo_buf_u64(log, event.found);
            aivo_buf_u64(log, event.code);
            aivo_buf_u64(log, event.len);
            aivo_buf_add(log, event.data, event.len);
        }
        free(piece);
    }
    CHECK(reader.message.len <= LIMIT);
    aivo_ws_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aivo_buf whole = {0}, cut = {0};
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    read_all(bytes, size - 1, size, &whole);
    read_all(bytes, size - 1, 1u + data[0] % 16u, &cut);
    CHECK(whole.len == cut.len && (whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0));
    aivo_buf_free(&whole);
    aivo_buf_free(&cut);
    return 0;
}
