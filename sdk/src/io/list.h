/* A doubly linked ring inside the structs it links. */
#ifndef AIVO_IO_LIST_H
#define AIVO_IO_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct aivo_link {
    struct aivo_link *next, *prev; /* NULL: in no list */
};

#define AIVO_CONTAINER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void aivo_list_init(struct aivo_link *head)
{
    head->next = head->prev = head;
}

static inline bool aivo_list_empty(const struct aivo_link *head)
{
    return head->next == head;
}

static inline bool aivo_list_linked(const struct aivo_link *link)
{
    return link->next != NULL;
}

/* At the end; nothing happens if it is in a list already. */
static inline void aivo_list_add(struct aivo_link *head, struct aivo_link *link)
{
    if (link->next)
        return;
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void aivo_list_remove(struct aivo_link *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

/* The first, taken out; NULL if there is none. */
static inline struct aivo_link *aivo_list_take(struct aivo_link *head)
{
    struct aivo_link *link = head->next;
    if (link == head)
        return NULL;
    aivo_list_remove(link);
    return link;
}

/* Moves everything from one list to another, empty one. */
static inline void aivo_list_move(struct aivo_link *from, struct aivo_link *to)
{
    aivo_list_init(to);
    if (aivo_list_empty(from))
        return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to;
    to->prev->next = to;
    aivo_list_init(from);
}

#endif
