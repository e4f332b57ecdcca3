#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

static char *put(char **at, const void *data, size_t len)
{
    char *start = *at;
    if (len)
        memcpy(start, data, len);
    start[len] = '\0';
    *at = start + len + 1;
    return start;
}

struct aivo_command *aivo_command_copy(const struct aivo_command *like)
{
    size_t event_len = like->event ? strlen(like->event) : 0;
    size_t bytes = event_len + 1 + like->text_len + 1;
    for (size_t i = 0; i < like->attachment_count; i++)
        bytes += like->attachments[i].len + 1;
    struct aivo_command *c = malloc(sizeof *c + bytes);
    if (!c)
        return NULL;
    *c = *like;
    c->next = NULL;
    c->bytes = bytes;
    char *at = (char *)(c + 1);
    if (like->event)
        c->event = put(&at, like->event, event_len);
    if (like->text)
        c->text = put(&at, like->text, like->text_len);
    for (size_t i = 0; i < like->attachment_count; i++)
        c->attachments[i].data = put(&at, like->attachments[i].data, like->attachments[i].len);
    return c;
}

void aivo_inbox_init(struct aivo_inbox *inbox)
{
    pthread_mutex_init(&inbox->lock, NULL);
    inbox->first = NULL;
    inbox->last = &inbox->first;
    atomic_init(&inbox->bytes, 0);
}

void aivo_inbox_put(struct aivo_inbox *inbox, struct aivo_command *command)
{
    command->next = NULL;
    atomic_fetch_add(&inbox->bytes, command->bytes);
    pthread_mutex_lock(&inbox->lock);
    *inbox->last = command;
    inbox->last = &command->next;
    pthread_mutex_unlock(&inbox->lock);
}

struct aivo_command *aivo_inbox_take_all(struct aivo_inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    struct aivo_command *all = inbox->first;
    inbox->first = NULL;
    inbox->last = &inbox->first;
    pthread_mutex_unlock(&inbox->lock);
    return all;
}

void aivo_inbox_free(struct aivo_inbox *inbox)
{
    struct aivo_command *c = aivo_inbox_take_all(inbox);
    while (c) {
        struct aivo_command *next = c->next;
        free(c);
        c = next;
    }
    pthread_mutex_destroy(&inbox->lock);
}
