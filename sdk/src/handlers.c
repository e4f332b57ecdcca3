#include "client_internal.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a: short keys, a handful of buckets. */
static size_t bucket_of(const char *event)
{
    uint32_t h = 2166136261u;
    for (const unsigned char *p = (const unsigned char *)event; *p; p++)
        h = (h ^ *p) * 16777619u;
    return h % AIVO_HANDLER_BUCKETS;
}

const struct aivo_handler *aivo_callbacks_find(const struct aivo_callbacks_set *set, const char *event)
{
    const struct aivo_handler *h = set->handlers[bucket_of(event)];
    while (h && strcmp(h->event, event) != 0)
        h = h->next;
    return h;
}

static struct aivo_handler **find_slot(struct aivo_callbacks_set *set, const char *event)
{
    struct aivo_handler **slot = &set->handlers[bucket_of(event)];
    while (*slot && strcmp((*slot)->event, event) != 0)
        slot = &(*slot)->next;
    return slot;
}

enum aivo_status aivo_callbacks_on(struct aivo_callbacks_set *set, const char *event, aivo_event_fn fn, void *user)
{
    if (!event) {
        set->on_any = fn;
        set->any_user = user;
        return AIVO_OK;
    }
    struct aivo_handler **slot = find_slot(set, event);
    struct aivo_handler *h = *slot;
    if (!fn) {
        if (h) {
            *slot = h->next;
            free(h);
            set->handler_count--;
        }
        return AIVO_OK;
    }
    if (!h) {
        if (set->handler_count == AIVO_HANDLERS_MAX)
            return AIVO_E_FULL;
        size_t len = strlen(event);
        h = malloc(sizeof *h + len + 1);
        if (!h)
            return AIVO_E_MEMORY;
        memcpy(h->event, event, len + 1);
        h->next = NULL;
        *slot = h;
        set->handler_count++;
    }
    h->fn = fn;
    h->user = user;
    return AIVO_OK;
}

void aivo_callbacks_free(struct aivo_callbacks_set *set)
{
    for (size_t i = 0; i < AIVO_HANDLER_BUCKETS; i++) {
        while (set->handlers[i]) {
            struct aivo_handler *next = set->handlers[i]->next;
            free(set->handlers[i]);
            set->handlers[i] = next;
        }
    }
}
