/* What an outside agent is sent: the first byte is how many attachments there are, the second how long each is, the
 * rest the packet's array. The body is always one JSON object whose data is what stood there, if nothing was attached.
 */
#include "fuzz.h"
#include "outside.h"
#include "recovery.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srv_stamp stamp;
    if (size < 2)
        return 0;
    srv_recovery_read((const char *)data, size < 40 ? size : 40, &stamp);
    unsigned count = data[0] % (AIVO_SIO_MAX_ATTACHMENTS + 1);
    size_t each = data[1] % 64, text = size - 2;
    if (count * each > text)
        count = 0;
    struct aivo_bytes attachments[AIVO_SIO_MAX_ATTACHMENTS];
    for (unsigned i = 0; i < count; i++)
        attachments[i] = (struct aivo_bytes){data + 2 + i * each, each};
    const char *array = (const char *)data + 2 + count * each;
    struct aivo_json json = aivo_json_parse(array, text - count * each, NULL);
    if (json.type != AIVO_JSON_ARRAY)
        return 0;
    struct aivo_buf out;
    aivo_buf_init(&out);
    CHECK(srv_outside_body(&out, "agent:speech", &json, attachments, count,
                           &(struct srv_outside_ids){"l\xff", "u", "s"}));
    struct aivo_json body = aivo_json_parse(out.data, out.len, NULL);
    CHECK(body.type == AIVO_JSON_OBJECT);
    struct aivo_json sent = aivo_json_get(&body, "data"), first = aivo_json_at(&json, 1);
    if (first.type == AIVO_JSON_NONE)
        CHECK(sent.type == AIVO_JSON_NULL);
    else if (!count)
        CHECK(sent.len == first.len && memcmp(sent.text, first.text, first.len) == 0);
    aivo_buf_free(&out);
    return 0;
}
