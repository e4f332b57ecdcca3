/* The built-in agents on arbitrary arguments: the first byte chooses the event, the second how many bytes are an
 * attachment, the rest is the packet's array. Acks and emits are always arrays of valid JSON. */
#include "agents.h"
#include "fuzz.h"
#include <string.h>

static void require_array(const char *text, size_t len)
{
    struct aivo_json json = aivo_json_parse(text, len, NULL);
    CHECK(json.type == AIVO_JSON_ARRAY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum srv_event events[] = {SRV_EVENT_LEARNING, SRV_EVENT_TUTOR, SRV_EVENT_SPEECH,
                                            SRV_EVENT_QUALITY_PING};
    if (size < 2)
        return 0;
    size_t binary = data[1] < size - 2 ? data[1] : size - 2, text_len = size - 2 - binary;
    struct aivo_bytes attachment = {data + 2, binary};
    struct aivo_json array = aivo_json_parse((const char *)data + 2 + binary, text_len, NULL);
    if (array.type != AIVO_JSON_ARRAY)
        return 0;
    struct srv_agent_session session = {.socket_id = "s", .learner_id = "l\xff", .active = data[0] & 4};
    struct srv_agent_reply reply;
    srv_agent_reply_init(&reply);
    for (int round = 0; round < 3; round++) {
        srv_agent_handle(&session, events[data[0] & 3], &array, &attachment, 1, 1, 2, &reply);
        require_array(reply.ack.data, reply.ack.len);
        for (unsigned i = 0; i < reply.emit_count; i++) {
            size_t len;
            const char *args = srv_agent_emit_args(&reply, i, &len);
            require_array(args, len);
        }
    }
    srv_agent_reply_free(&reply);
    return 0;
}
