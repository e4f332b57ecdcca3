#include "delivery.h"

#include <string.h>

#define NO_TEXT "the server answered with an error without a text"

/* As much of the text as fits, cut between two characters, control characters made spaces. */
static void set_reason(char *out, const char *text, size_t len)
{
    size_t n = len < AIVO_DELIVERY_REASON_MAX - 1 ? len : AIVO_DELIVERY_REASON_MAX - 1;
    while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(out, text, n);
    out[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)out[i] < ' ')
            out[i] = ' ';
    }
}

static void failed(struct aivo_judgement *out, const struct aivo_json *error)
{
    out->verdict = AIVO_VERDICT_FAILED;
    struct aivo_buf text;
    aivo_buf_init(&text);
    if (aivo_json_string(error, &text) && text.data)
        set_reason(out->reason, text.data, text.len);
    else
        set_reason(out->reason, error->text, error->len);
    if (!out->reason[0])
        set_reason(out->reason, NO_TEXT, sizeof NO_TEXT - 1);
    aivo_buf_free(&text);
}

void aivo_delivery_judge(const struct aivo_json *answer, struct aivo_judgement *out)
{
    *out = (struct aivo_judgement){.verdict = AIVO_VERDICT_ACKNOWLEDGED, .retry_after_ms = -1};
    if (!answer || answer->type != AIVO_JSON_ARRAY)
        return;
    struct aivo_json first = aivo_json_at(answer, 0);
    if (first.type != AIVO_JSON_OBJECT)
        return;
    struct aivo_json limited = aivo_json_get(&first, "rateLimited");
    if (aivo_json_is_true(&limited)) {
        out->verdict = AIVO_VERDICT_LIMITED;
        struct aivo_json after = aivo_json_get(&first, "retryAfterMs");
        double ms;
        if (aivo_json_double(&after, &ms) && ms >= 0)
            out->retry_after_ms = ms > 1e12 ? (int64_t)1e12 : (int64_t)ms;
        return;
    }
    struct aivo_json error = aivo_json_get(&first, "error");
    if (error.type != AIVO_JSON_NONE && error.type != AIVO_JSON_NULL && error.type != AIVO_JSON_FALSE)
        failed(out, &error);
}
