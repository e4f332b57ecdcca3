/* Where a message's id stands, or is to be put, in its arguments. Pure. */
#ifndef AIVO_CORE_MSGID_H
#define AIVO_CORE_MSGID_H

#include "json.h"

#define AIVO_MSGID_TEXT    37 /* an id's text with its NUL */
#define AIVO_MSGID_KEY_MAX 64

enum aivo_msgid_kind {
    AIVO_MSGID_NONE,   /* no argument is an object, or it has something else under the key: left as it is */
    AIVO_MSGID_OWN,    /* the sender's own, a string of 1..36 bytes */
    AIVO_MSGID_INSERT, /* to be put in */
};

struct aivo_msgid_place {
    enum aivo_msgid_kind kind;
    size_t at;  /* INSERT: bytes into args->text, just behind the object's brace */
    bool comma; /* INSERT: other members follow */
    char own[AIVO_MSGID_TEXT];
};

/* args: a validated JSON array. key: what aivo_json_get() takes. */
void aivo_msgid_find(const struct aivo_json *args, const char *key, struct aivo_msgid_place *out);

#endif
