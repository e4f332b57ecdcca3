#include <aivo-gtk/types.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* A struct in which nothing is known; the counts are 0. */
static void nothing_known(struct aivo_quality *q)
{
    memset(q, 0, sizeof(*q));
    q->size = sizeof(*q);
    q->latency_ms = q->avg_latency_ms = q->min_latency_ms = q->p50_ms = q->p95_ms = q->p99_ms = q->jitter_ms = NAN;
    q->loss_pct = q->loss_low_pct = q->loss_high_pct = q->uplink_loss_pct = q->downlink_loss_pct = NAN;
    q->network_ms = q->edge_ms = q->handler_ms = NAN;
    q->uplink_low_pct = q->uplink_high_pct = q->downlink_low_pct = q->downlink_high_pct = NAN;
    q->clock_offset_ms = q->uplink_queue_ms = q->downlink_queue_ms = NAN;
}

struct aivo_quality *aivo_quality_copy(const struct aivo_quality *quality)
{
    if (!quality) {
        return NULL;
    }
    struct aivo_quality *copy = g_new(struct aivo_quality, 1);
    nothing_known(copy);
    /* A size of 0 is a struct that somebody filled by hand. */
    size_t size = quality->size == 0 || quality->size > sizeof(*copy) ? sizeof(*copy) : quality->size;
    memcpy(copy, quality, size);
    copy->size = sizeof(*copy);
    if (copy->cause_count > AIVO_QUALITY_CAUSES) {
        copy->cause_count = AIVO_QUALITY_CAUSES;
    }
    return copy;
}

void aivo_quality_free(struct aivo_quality *quality)
{
    g_free(quality);
}

/* By hand: G_DEFINE_BOXED_TYPE() is not ISO C. */
GType aivo_quality_get_type(void)
{
    static gsize type;
    if (g_once_init_enter(&type)) {
        g_once_init_leave(&type, g_boxed_type_register_static("AivoQuality", (GBoxedCopyFunc)aivo_quality_copy,
                                                              (GBoxedFreeFunc)aivo_quality_free));
    }
    return type;
}

GType aivo_link_state_get_type(void)
{
    static gsize type;
    if (g_once_init_enter(&type)) {
        static const GEnumValue values[] = {{AIVO_LINK_UNKNOWN, "AIVO_LINK_UNKNOWN", "unknown"},
                                            {AIVO_LINK_DISCONNECTED, "AIVO_LINK_DISCONNECTED", "disconnected"},
                                            {AIVO_LINK_CONNECTING, "AIVO_LINK_CONNECTING", "connecting"},
                                            {AIVO_LINK_CONNECTED, "AIVO_LINK_CONNECTED", "connected"},
                                            {AIVO_LINK_RECONNECTING, "AIVO_LINK_RECONNECTING", "reconnecting"},
                                            {AIVO_LINK_CLOSING, "AIVO_LINK_CLOSING", "closing"},
                                            {AIVO_LINK_FAILED, "AIVO_LINK_FAILED", "failed"},
                                            {0, NULL, NULL}};
        g_once_init_leave(&type, g_enum_register_static("AivoLinkState", values));
    }
    return type;
}
