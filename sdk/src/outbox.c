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
    }
    return "unknown";
}
