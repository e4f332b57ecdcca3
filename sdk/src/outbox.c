#include "sized.h"
#include <aivo/outbox.h>

const char *aivo_fate_name(enum aivo_fate fate)
{
    switch (fate) {
    case AIVO_FATE_ACKNOWLEDGED:
        return "acknowledged";
    case AIVO_FATE_EXPIRED:
        return "expired";
    case AIVO_FATE_EVICTED:
        return "evicted";
    case AIVO_FATE_DEAD:
        return "dead";
    case AIVO_FATE_UNREADABLE:
        return "unreadable";
    case AIVO_FATE_REPLACED:
        return "replaced";
    }
    return "unknown";
}

const char *aivo_queued_state_name(enum aivo_queued_state state)
{
    static const char *const names[] = {"waiting", "later", "behind", "dead", "left"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

void aivo_send_init_sized(struct aivo_send *send, size_t size)
{
    const struct aivo_send defaults = {.size = sizeof defaults, .ttl_s = AIVO_TTL_OF_QUEUE};
    aivo_sized_out(send, size, &defaults, sizeof defaults);
}

void aivo_queue_policy_init_sized(struct aivo_queue_policy *policy, size_t size)
{
    const struct aivo_queue_policy defaults = {
        .size = sizeof defaults, .max_messages = 100, .ttl_s = 86400, .max_retries = 3, .window = 64};
    aivo_sized_out(policy, size, &defaults, sizeof defaults);
}

void aivo_queue_callbacks_init_sized(struct aivo_queue_callbacks *callbacks, size_t size)
{
    const struct aivo_queue_callbacks none = {.size = sizeof none};
    aivo_sized_out(callbacks, size, &none, sizeof none);
}
