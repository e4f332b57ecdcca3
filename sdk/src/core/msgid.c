#include "msgid.h"

void aivo_msgid_find(const struct aivo_json *args, const char *key, struct aivo_msgid_place *out)
{
    *out = (struct aivo_msgid_place){.kind = AIVO_MSGID_NONE};
    if (args->type != AIVO_JSON_ARRAY)
        return;
    size_t pos = 0;
    struct aivo_json value = aivo_json_next(args, &pos);
    while (value.type != AIVO_JSON_NONE && value.type != AIVO_JSON_OBJECT)
        value = aivo_json_next(args, &pos);
    if (value.type != AIVO_JSON_OBJECT)
        return;
    struct aivo_json id = aivo_json_get(&value, key);
    if (id.type == AIVO_JSON_NONE) {
        struct aivo_json name, member;
        size_t member_pos = 0;
        out->kind = AIVO_MSGID_INSERT;
        out->at = (size_t)(value.text - args->text) + 1;
        out->comma = aivo_json_next_member(&value, &member_pos, &name, &member);
    } else if (aivo_json_string_copy(&id, out->own, sizeof out->own) && out->own[0] != '\0') {
        out->kind = AIVO_MSGID_OWN;
    }
}
